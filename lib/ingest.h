/*
 * A transaction of CernVM-FS: `cvmfs_server ingest`, fed with a tar, and what it
 * takes to be good company for it.
 *
 * The publishers of ducc take turns, by a lock on the spool directory of the
 * repository.  A transaction that somebody else has open is waited for and never
 * touched; one of ours that was broken off is told by a note in the spool directory,
 * ducc.transaction, and aborted.
 */
#ifndef DUCC_INGEST_H
#define DUCC_INGEST_H

#include "repository.h"
#include "session.h"

/*
 * Waits for the lock, and clears up what an earlier publisher left; in its absence a
 * transaction of somebody else's stays as it is.  Returns the descriptor that has the
 * lock, to be closed at the end; -1 with *err set.
 */
int ingest_lock(ducc_session *session, const struct repository *repository, ducc_error **err);

struct ingest;

/*
 * Starts an ingest and feeds it with `head`, the beginning of the tar.  Returns when
 * the transaction is open (it has taken the head), trying again while somebody else
 * has one.  NULL with *err set: it could not be opened, or not within session->wait.
 */
struct ingest *ingest_begin(ducc_session *session, const struct repository *repository,
			    const void *head, size_t len, ducc_error **err);

/* Feeds it with more. */
int ingest_write(struct ingest *ingest, const void *data, size_t len, ducc_error **err);
/* The same with `size` bytes of a file, from its beginning. */
int ingest_copy(struct ingest *ingest, int fd, uint64_t size, ducc_error **err);

/* Ends the tar, and waits until it is published.  After a failure, nothing is. */
int ingest_finish(struct ingest *ingest, ducc_error **err);

/* Makes what is not finished fail, and waits until it is undone.  NULL is allowed. */
void ingest_free(struct ingest *ingest);

/* Removes `path`, with what is beneath it, in a transaction of its own. */
int ingest_remove(ducc_session *session, const struct repository *repository, const char *path,
		  ducc_error **err);

#endif

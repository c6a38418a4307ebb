/*
 * A CernVM-FS transaction that adds files: `cvmfs_server ingest`, fed with a tar.  The
 * caller holds the lock of the spool directory (runner.h).
 */
#ifndef DUCC_INGEST_H
#define DUCC_INGEST_H

#include "base/context.h"
#include "repo/repository.h"

struct ingest;

/*
 * Starts an ingest and feeds it with `head`, the beginning of the tar.  Returns when the
 * transaction is open (ingest has read the head), retrying while another one is open.  NULL
 * with *err set: it could not be opened, or not within context->wait.
 */
struct ingest *ingest_begin(struct context *context, const struct repository *repository,
			    const void *head, size_t len, ducc_error **err);

/* Feeds it with more data. */
int ingest_write(struct ingest *ingest, const void *data, size_t len, ducc_error **err);
/* The same with `size` bytes of the payload's file, from its beginning. */
int ingest_copy(struct ingest *ingest, int fd, uint64_t size, ducc_error **err);

/* Ends the tar, and waits until it is published.  After a failure, nothing is published. */
int ingest_finish(struct ingest *ingest, ducc_error **err);

/* Aborts the ingest unless it is finished, and waits until that is done.  NULL is allowed. */
void ingest_free(struct ingest *ingest);

/*
 * Removes these paths recursively, in as many transactions as necessary; stops if cancelled.
 * They contain no colon, and through a gateway, which would keep them in its catalogs, no devices.
 */
int ingest_remove_all(struct context *context, const struct repository *repository,
		      const char *const *paths, size_t n, ducc_error **err);

#endif

/*
 * The spool directory of a publisher of CernVM-FS, and what it takes to be good
 * company for the others that publish on this machine.
 *
 * The publishers of ducc take turns, by a lock on that directory.  A transaction
 * that somebody else has open is waited for and never touched; one of ours that was
 * broken off is told by a note in the directory, ducc.transaction, and aborted.
 */
#ifndef DUCC_SPOOL_H
#define DUCC_SPOOL_H

#include "base/process.h"
#include "repo/repository.h"
#include "base/context.h"

#define CVMFS_SERVER "cvmfs_server"

/* What the note says. */
struct spool_note {
	pid_t group;       /* of the processes at work; 0: there can't be any */
	bool edit;         /* files are changed by hand: what was changed is ours too */
	char *transaction; /* which one it is; NULL: none yet, as far as we know */
};

/*
 * Waits for the lock, and clears up what an earlier publisher left; in its absence a
 * transaction of somebody else's stays as it is.  Returns the descriptor that has the
 * lock, to be closed at the end; -1 with *err set.
 */
int spool_lock(struct context *context, const struct repository *repository, ducc_error **err);

int spool_write_note(const struct repository *repository, const struct spool_note *note,
		     ducc_error **err);
void spool_remove_note(const struct repository *repository);

/*
 * A file in the directory; if it is there, the transaction that is open was opened
 * for an edit that is noted.  Removed with the note.  The caller frees the path.
 */
char *spool_opened(const struct repository *repository);

/*
 * Notes the transaction that is open, as soon as there is one: none was, when our
 * process began, and if somebody else was faster, it will say so.
 */
int spool_note_transaction(const struct repository *repository, struct spool_note *note,
			   ducc_error **err);

/*
 * Undoes the transaction of the note, if it is still open, and removes the note.  Any
 * other is somebody else's, and none of our business.
 */
int spool_clear_up(struct context *context, const struct repository *repository,
		   const struct spool_note *note, ducc_error **err);

/*
 * Calls `try` until it returns something else than 0 (somebody else has a transaction
 * open), with growing pauses, or until context->wait is over.  Returns 0 if the last
 * one returned 1, -1 with *err set otherwise.
 */
int spool_patiently(struct context *context, const struct repository *repository,
		    int (*try)(void *ctx, ducc_error **err), void *ctx, ducc_error **err);

/* True if the program that has ended says that somebody else has a transaction open. */
bool spool_is_busy(const struct process *process);

/*
 * Runs a command of cvmfs_server to its end under the note.  Returns 1, or 0 if somebody
 * else has a transaction open, or -1.  It does not clear up.
 */
int spool_run(struct context *context, const struct repository *repository, struct spool_note *note,
	      char *const *argv, ducc_error **err);

#endif

/*
 * Running cvmfs_server, in good company with the others that publish on this machine.
 *
 * The publishers of ducc take turns, by a lock on the spool directory.  A transaction that
 * somebody else has open is waited for and never touched; one of ours that was broken off
 * is known from the journal, and aborted.
 */
#ifndef DUCC_RUNNER_H
#define DUCC_RUNNER_H

#include "base/context.h"
#include "base/process.h"
#include "cvmfs/journal.h"

#define CVMFS_SERVER "cvmfs_server"

/*
 * Waits for the lock, and clears up what an earlier publisher left; in its absence a
 * transaction of somebody else's stays as it is.  Returns the descriptor that has the
 * lock, to be closed at the end; -1 with *err set.
 */
int runner_lock(struct context *context, const struct repository *repository, ducc_error **err);

/*
 * Undoes the transaction of the note, if it is still open, and removes the note.  Any
 * other is somebody else's, and none of our business.
 */
int runner_clear_up(struct context *context, const struct repository *repository,
		    const struct journal *note, ducc_error **err);

/*
 * Calls `try` until it returns something else than 0 (somebody else has a transaction
 * open), with growing pauses, or until context->wait is over.  Returns 0 if the last
 * one returned 1, -1 with *err set otherwise.
 */
int runner_patiently(struct context *context, const struct repository *repository,
		     int (*try)(void *ctx, ducc_error **err), void *ctx, ducc_error **err);

/* True if the program that has ended says that somebody else has a transaction open. */
bool runner_is_busy(const struct process *process);

/*
 * Runs a command of cvmfs_server to its end under the note.  Returns 1, or 0 if somebody
 * else has a transaction open, or -1.  It does not clear up.
 */
int runner_run(struct context *context, const struct repository *repository, struct journal *note,
	       char *const *argv, ducc_error **err);

#endif

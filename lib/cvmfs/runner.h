/*
 * Running cvmfs_server alongside other publishers on this machine.
 *
 * ducc's publishers take turns, with a lock on the spool directory.  They wait for the
 * transactions of other programs, and never change those; an interrupted transaction of ducc
 * is identified by the journal, and aborted.
 */
#ifndef DUCC_RUNNER_H
#define DUCC_RUNNER_H

#include "base/context.h"
#include "base/process.h"
#include "cvmfs/journal.h"

#define CVMFS_SERVER "cvmfs_server"

/*
 * Waits for the lock, and aborts an interrupted transaction of an earlier ducc publisher, but
 * not one of other programs.  Returns the descriptor that holds the lock, to be closed
 * at the end; -1 with *err set.
 */
int runner_lock(struct context *context, const struct repository *repository, ducc_error **err);

/* A lock that keeps ducc's publishers on this machine waiting, for a reader; see target.h. */
int runner_hold(const struct repository *repository, struct context *context, ducc_error **err);

/*
 * Aborts the transaction of the note, if it is still open, and removes the note.  Leaves any
 * other transaction alone.
 */
int runner_clear_up(struct context *context, const struct repository *repository,
		    const struct journal *note, ducc_error **err);

/* What runner_pause() remembers of a wait; all zeros at its beginning. */
struct patience {
	double until;   /* on the monotonic clock */
	unsigned pause; /* seconds */
	bool told;
};

/*
 * Pauses, longer each time; the first time, a warning says what is waited for.  Returns 0 after the
 * pause, 1 once context->wait has elapsed, or -1 with *err set if interrupted.
 */
int runner_pause(struct context *context, struct patience *patience, const char *what,
		 ducc_error **err);

/*
 * Calls `try` until it does not return 0 (another transaction is open), with growing
 * pauses, or until context->wait has elapsed.  Returns 0 if the last call returned 1, -1 with
 * *err set otherwise.
 */
int runner_patiently(struct context *context, const struct repository *repository,
		     int (*try)(void *ctx, ducc_error **err), void *ctx, ducc_error **err);

/*
 * True if the program, which has exited, reports that another transaction is open; not if that of the
 * note was: then these may be words of something else, such as a path.
 */
bool runner_is_busy(const struct process *process, const struct journal *note);

/*
 * Runs a command of cvmfs_server to its end under the note.  Returns 1; 0 if another transaction is
 * open, and none is noted; or -1.  Aborts nothing.
 */
int runner_run(struct context *context, const struct repository *repository, struct journal *note,
	       char *const *argv, ducc_error **err);

#endif

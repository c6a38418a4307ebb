/*
 * Another program at work: fed by us if it wants to, and listened to.
 *
 * It leads a process group of its own, so that a terminal's ^C is for its caller to
 * deal with.  What it says, on standard output
 * and error alike, goes into a file in memory, not into a pipe: if we are killed, it
 * must be able to go on.  The end of it is kept.
 */
#ifndef DUCC_PROCESS_H
#define DUCC_PROCESS_H

#include <sys/types.h>

#include "base/buffer.h"
#include "base/context.h"

#define PROCESS_TICK 100 /* milliseconds between two looks at what has no event */

struct process {
	const char *name;
	pid_t pid; /* and its process group; 0: it has ended */
	int pidfd;
	int in;  /* to its standard input, not blocking; -1: none, or closed */
	int out; /* what it says */
	off_t heard;
	int tick;   /* milliseconds that process_poll() waits at most; PROCESS_TICK at first */
	int status; /* as wait(2) has it */
	struct buffer output;
};

/* How a child is started: argv[0], from $PATH, with no signal ignored or blocked. */
struct child {
	char *const *argv;
	char *const *environment; /* NULL: ours */
	int in, out, err;         /* -1: /dev/null for input, ours for output and errors */
	bool own_group;           /* it leads a process group */
};

/* Returns 0, or an errno value. */
int process_spawn(pid_t *pid, const struct child *child);

/* Starts argv[0], from $PATH.  Without input, it reads /dev/null.  End with process_close(). */
int process_start(struct process *process, char *const *argv, bool with_input, ducc_error **err);

/*
 * Listens to it, for a tick at most, or with to_write until it takes input; true if it has ended.
 */
bool process_poll(struct process *process, bool to_write);

/*
 * Sets an error of one line from what it said, or from the signal that killed it;
 * `what` tells which command this was.
 */
int process_error(const struct process *process, const char *what, ducc_error **err);

/* Hands all lines that it said to the context, as DUCC_DEBUG. */
void process_tell(struct process *process, struct context *context);

/* Releases everything; it should have ended. */
void process_close(struct process *process);

#endif

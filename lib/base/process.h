/*
 * Child processes: optional input, captured output.
 *
 * A child leads its own process group, so that ^C in a terminal reaches only its
 * caller.  Its standard output and error go to a file in memory rather than a pipe, so
 * that it can continue if we are killed.  Only the end of its output is kept.
 */
#ifndef DUCC_PROCESS_H
#define DUCC_PROCESS_H

#include <sys/types.h>

#include "base/buffer.h"
#include "base/context.h"

#define PROCESS_TICK 100 /* milliseconds between polls of whatever has no event */

struct process {
	const char *name;
	pid_t pid; /* also its process group; 0: it has exited */
	int pidfd;
	int in;   /* to its standard input, nonblocking; -1: none, or closed */
	int out;  /* memfd with its standard output and error */
	int gate; /* of process_hold(): a line written to it starts the program; -1: started */
	off_t heard;
	int tick;   /* the most milliseconds that process_poll() waits; initially PROCESS_TICK */
	int status; /* as from wait(2) */
	struct buffer output;
};

/*
 * How to start a child: argv[0], from $PATH, with no signal ignored or blocked, and with no
 * other descriptors than these: what it leaves behind, such as a mounted file system, would
 * keep the locks of our callers.
 */
struct child {
	char *const *argv;
	char *const *environment; /* NULL: ours */
	int in, out, err;         /* -1: /dev/null for input; output and errors are inherited */
	int gate;                 /* becomes descriptor 3; -1: none */
	bool own_group;           /* make it a process group leader */
};

/* Returns 0, or an errno value. */
int process_spawn(pid_t *pid, const struct child *child);

/* Starts argv[0], from $PATH; without input, it reads /dev/null.  Release with process_close(). */
int process_start(struct process *process, char *const *argv, bool with_input, ducc_error **err);

/*
 * The same, but the program runs only after process_release(), and not at all if we are killed
 * before that, so that its process group can be noted first.
 */
int process_hold(struct process *process, char *const *argv, bool with_input, ducc_error **err);
void process_release(struct process *process);
/* The alternative: the program never runs, and its process exits. */
void process_dismiss(struct process *process);

/*
 * Reads its output.  Waits for at most a tick; with to_write, only until it accepts input.  True
 * if it has exited.
 */
bool process_poll(struct process *process, bool to_write);

/*
 * Sets a one-line error from its output, or from the signal that killed it; `what`
 * names the command.
 */
int process_error(const struct process *process, const char *what, ducc_error **err);

/* Passes each line of its output to the context as a DUCC_DEBUG notice. */
void process_tell(struct process *process, struct context *context);

/*
 * Waits until it exits, passes its output on as process_tell() does, and releases everything.
 * Returns 0, or -1 with *err set as by process_error() if it failed.
 */
int process_finish(struct process *process, const char *what, struct context *context,
		   ducc_error **err);

/* Releases everything; the process should have exited. */
void process_close(struct process *process);

#endif

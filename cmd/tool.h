/*
 * What all tools share: their state, how they begin and how they end.  The command line is the subject
 * of options.h; records are read by input.h and printed by output.h, as messages are; each.h is the
 * main loop of a tool that works on one image after the other.
 */
#ifndef TOOL_H
#define TOOL_H

#include <stdio.h>

#include "ducc.h"

enum {
	EXIT_FAILED = 1, /* some image failed */
	EXIT_USAGE = 2,
};

struct tool_option; /* options.h */

struct tool {
	const char *name;              /* "ducc-fetch" */
	const char *usage;             /* the usage line after the name */
	const struct tool_option *own; /* options beyond the common hNnqrsVv, or NULL */
	int (*option)(int letter, const char *value); /* handles one of these; -1: bad value */
	struct ducc_options options;
	struct ducc_limits limits; /* which the options refer to */
	int verbosity;             /* -1 quiet, 0, 1, 2 */
	int failed;                /* images */
	bool misused;              /* the request was invalid */
	FILE *failures; /* records of failed images are written there; NULL: they are reported */
	int unwritten;  /* the errno value with which standard output could not be written */
};

/*
 * Opens standard descriptors that are closed, the wrong way round: no other file gets their numbers,
 * and whoever uses one still meets an error.
 */
void tool_occupy_standard(void);

/* Starts the output (output.h) and a session; exits if that fails. */
ducc_session *tool_session(struct tool *tool);

/*
 * From now on, SIGINT, SIGTERM and SIGHUP make the jobs of the library stop and
 * clean up; tool_status() then terminates the program by that signal.  Call it before
 * tool_session().
 */
void tool_catch_signals(struct tool *tool);

/*
 * The same in two steps, for a tool whose output must not be cut off once it has begun: before
 * tool_session(), and then.
 */
void tool_allow_cancel(struct tool *tool);
void tool_hold_signals(void);

/* True after one of these signals. */
bool tool_is_cancelled(void);

/* Disables core dumps, for tools that hold passwords. */
void tool_keep_secrets(void);

/* Allows as many open files as this process may have. */
void tool_raise_files(void);

/* The exit status; does not return after a caught signal. */
int tool_status(const struct tool *tool);

/* True if both texts are equal, or both are NULL. */
bool tool_same(const char *a, const char *b);

/* The pointer that an allocation returned; aborts with a message if that is NULL. */
void *tool_allocated(void *pointer);

#endif

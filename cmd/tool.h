/*
 * What the tools have in common: options, records in and out, messages.
 */
#ifndef TOOL_H
#define TOOL_H

#include <getopt.h>

#include "ducc.h"

enum {
	EXIT_FAILED = 1, /* some image failed */
	EXIT_USAGE = 2,
};

struct tool {
	const char *name;                  /* "ducc-fetch" */
	const char *usage;                 /* what follows the name in the usage line */
	const char *letters;               /* getopt(3) letters beyond the common nqvhVN:s:r: */
	const struct option *long_options; /* of getopt_long(3), for some of them; or NULL */
	int (*option)(int letter, const char *value); /* takes one of those; -1: bad value */
	struct ducc_options options;
	int verbosity; /* -1 quiet, 0, 1, 2 */
	int failed;    /* images */
};

/*
 * Reads the command line into tool->options.  Exits for -h, -V and wrong usage.
 * Returns the index of the first operand.
 */
int tool_options(struct tool *tool, int argc, char **argv);

/* Shows the synopsis and exits, after wrong usage. */
void tool_usage(const struct tool *tool) __attribute__((noreturn));

/* Parses a number from 1 to `max`, or a size in bytes with an optional K, M, G or T. */
bool tool_parse_number(const char *text, unsigned max, unsigned *number);
bool tool_parse_size(const char *text, uint64_t *bytes);

/* Starts a session; exits if that fails. */
ducc_session *tool_session(struct tool *tool);

/*
 * The records: from the operands, or from standard input if there are none.
 * Comments and empty lines of the input are printed as they come; bad records are
 * reported and counted as failed.
 */
struct input;
struct input *tool_input(struct tool *tool, char **operands, int n);
void input_free(struct input *input);

/*
 * The next record, to be freed with ducc_record_free(); NULL at the end.  With
 * wait false, also NULL when no complete line is there yet.
 */
ducc_record *input_next(struct input *input, bool wait);

/* Prints the record of an image that is done; exits if nobody can read it any more. */
void tool_done(struct tool *tool, const ducc_record *record);

/* Reports an image that failed, and frees the error. */
void tool_fail(struct tool *tool, const char *what, ducc_error *err);

/* For what the library tells one by one: prints the record, reports the error, frees both. */
void tool_take(void *tool, ducc_record *record, ducc_error *err);

/*
 * From now on, SIGINT, SIGTERM and SIGHUP make the jobs of the library give up and
 * clean up; tool_status() then ends the program by that signal.  Call it before
 * tool_session().
 */
void tool_catch_signals(struct tool *tool);

/* True if there was one of these signals. */
bool tool_is_cancelled(void);

/* For tools that know passwords: what dies leaves no core, which would hold them. */
void tool_keep_secrets(void);

/* The exit status for what happened. */
int tool_status(const struct tool *tool);

#endif

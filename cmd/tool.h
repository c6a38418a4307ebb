/*
 * Common code of the tools: options, input and output of records, messages.
 */
#ifndef TOOL_H
#define TOOL_H

#include <stdio.h>

#include "ducc.h"

enum {
	EXIT_FAILED = 1, /* some image failed */
	EXIT_USAGE = 2,
};

/*
 * An option: -LETTER or --NAME; letters from TOOL_LONG on are those of options with a name only.
 * A table of them ends with {0}.
 */
#define TOOL_LONG 256
#define TOOL_FAILED 512 /* --failed, of tools that process records */
#define TOOL_WISHES 513 /* --wishes, of tools that change repositories */
struct tool_option {
	int letter;
	const char *name;
	const char *argument; /* the name of its argument; NULL: it has none */
	const char *help;     /* one line for --help */
};

#define TOOL_OPTION_FAILED                                                                         \
	{                                                                                          \
		TOOL_FAILED, "failed", "file", "append records of failed images to file"           \
	}

#define TOOL_OPTION_WISHES                                                                         \
	{                                                                                          \
		TOOL_WISHES, "wishes", "file", "also publish which images fail, as in file"        \
	}

struct tool {
	const char *name;              /* "ducc-fetch" */
	const char *usage;             /* the usage line after the name */
	const struct tool_option *own; /* options beyond the common hNnqrsVv, or NULL */
	int (*option)(int letter, const char *value); /* handles one of these; -1: bad value */
	struct ducc_options options;
	/*
	 * For tool_each(): how many images from registries to work on at once.  Those of files
	 * and directories, and all if it is 0 or 1, are worked on one after the other.
	 */
	unsigned at_once;
	bool in_order; /* records are printed in the order in which they were read */
	/* Called before each work(), in the main thread; -1 with *err set: the image fails.  Or NULL. */
	int (*prepare)(ducc_session *session, ducc_error **err);
	struct ducc_limits limits;
	int verbosity;  /* -1 quiet, 0, 1, 2 */
	int failed;     /* images */
	bool misused;   /* the request was invalid */
	FILE *failures; /* records of failed images are written there; NULL: they are reported */
	int unwritten;  /* the errno value with which standard output could not be written */
};

/*
 * Reads the command line into tool->options.  Exits for --help, --version and wrong usage.
 * Returns the index of the first operand.
 */
int tool_options(struct tool *tool, int argc, char **argv);

/* After a usage error: prints the synopsis and exits. */
void tool_usage(const struct tool *tool) __attribute__((noreturn));

/* Parses a number from 1 to `max`, or a size in bytes with an optional K, M, G or T. */
bool tool_parse_number(const char *text, unsigned max, unsigned *number);
bool tool_parse_size(const char *text, uint64_t *bytes);

/* Parses NAME=VALUE,... into the limits of the tool; without a name, the limit is `layer'. */
bool tool_parse_limits(struct tool *tool, const char *text);

/* True if both texts are equal, or both are NULL. */
bool tool_same(const char *a, const char *b);

/* The pointer that an allocation returned; aborts with a message if that is NULL. */
void *tool_allocated(void *pointer);

/* Starts a session; exits if that fails. */
ducc_session *tool_session(struct tool *tool);

/* Before reading standard input: if it is a terminal, prints the synopsis and exits. */
void tool_read_input(const struct tool *tool);

/*
 * The input: records from the operands or, without operands, from standard input.
 * Comments and empty lines are copied to standard output; malformed records are
 * reported and counted as failed.
 */
struct input;
struct input *tool_input(struct tool *tool, char **operands, int n);
void input_free(struct input *input);

/*
 * The next record, to be freed with ducc_record_free(); NULL at the end.  With
 * wait false, also NULL if no complete line is available yet.
 */
ducc_record *input_next(struct input *input, bool wait);

/* Several threads may call the following three functions. */

/* Prints the record of a processed image; exits if standard output cannot be written. */
void tool_done(struct tool *tool, const ducc_record *record);

/*
 * Flushes standard output; exits if it cannot be written.  If nobody reads it any more, that is by
 * SIGPIPE, without a message, unless the signal is ignored.
 */
void tool_flush(const struct tool *tool);

/* False if standard output could not be written, so that there is no use in printing more. */
bool tool_printed(struct tool *tool);

/* Prints a comment for what was skipped because it is not an image. */
void tool_skip(struct tool *tool, const ducc_record *record);

/* Reports a failure, of `what` unless that is NULL, and frees the error. */
void tool_fail(struct tool *tool, const char *what, ducc_error *err);

/* Reports that the whole job has failed; if the request was invalid, that is a usage error. */
void tool_fail_all(struct tool *tool, ducc_error *err);

/* Reports a failed image, or writes its record to the file of --failed. */
void tool_fail_record(struct tool *tool, const ducc_record *record, ducc_error *err);

/*
 * Works on the image of a record.  Returns 0 if the record is to be printed, -1 with *err set
 * if the image has failed, or 1 if it has done all of that itself.
 */
typedef int tool_work(ducc_session *session, ducc_record *record, ducc_error **err);

/*
 * The main loop of a tool: opens a session and calls work() for each record of the input, the
 * operands or standard input.  Returns the exit status.
 */
int tool_each(struct tool *tool, char **operands, int n, tool_work *work);

/*
 * A callback for ducc_wish() and ducc_hook(): prints the record, reports the error, frees both,
 * and returns true.
 */
bool tool_take(void *tool, ducc_record *record, ducc_error *err);

/*
 * From now on, SIGINT, SIGTERM and SIGHUP make the jobs of the library stop and
 * clean up; tool_status() then terminates the program by that signal.  Call it before
 * tool_session().
 */
void tool_catch_signals(struct tool *tool);

/* True after one of these signals. */
bool tool_is_cancelled(void);

/* Disables core dumps, for tools that hold passwords. */
void tool_keep_secrets(void);

/* The exit status; does not return after a caught signal. */
int tool_status(const struct tool *tool);

#endif

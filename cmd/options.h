/*
 * The command line of a tool: its options, the common ones, and the values that several tools take.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "tool.h"

/*
 * An option: -LETTER or --NAME; letters from TOOL_LONG on are those of options with a name only.
 * A table of them ends with {0}.
 *
 * The following are read here, too, if a tool has them: -j, -w, TOOL_FAILED and TOOL_WISHES.
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

/*
 * Reads the command line into tool->options.  Exits for --help, --version and wrong usage.
 * Returns the index of the first operand.
 */
int tool_options(struct tool *tool, int argc, char **argv);

/* After a usage error: prints the synopsis and exits. */
void tool_usage(const struct tool *tool) __attribute__((noreturn));

/* These return -1 for a bad value. */

/* Parses a number from 1 to `max`, or a size in bytes with an optional K, M, G or T. */
int tool_parse_number(const char *text, unsigned max, unsigned *number);
int tool_parse_size(const char *text, uint64_t *bytes);

/* Parses NAME=VALUE,... into the limits of the tool; without a name, the limit is `layer'. */
int tool_parse_limits(struct tool *tool, const char *text);

#endif

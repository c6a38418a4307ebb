/*
 * The main loop of a tool that works on one image after the other, or on several at once.
 */
#ifndef EACH_H
#define EACH_H

#include "tool.h"

struct each {
	/*
	 * Works on the image of a record.  Returns 0 if the record is to be printed, -1 with *err set
	 * if the image has failed, or 1 if it has done all of that itself.
	 */
	int (*work)(ducc_session *session, ducc_record *record, ducc_error **err);
	/* Called before each work(), in the main thread; -1 with *err set: the image fails.  Or NULL. */
	int (*prepare)(ducc_session *session, ducc_error **err);
	/*
	 * How many images from registries to work on at once.  Those of files and directories, and
	 * all if it is 0 or 1, are worked on one after the other.
	 */
	unsigned at_once;
	bool in_order; /* records are printed in the order in which they were read */
};

/*
 * Opens a session and calls work() for each record of the input, the n operands or standard input.
 * Returns the exit status.
 */
int tool_each(struct tool *tool, const struct each *each, char **operands, int n);

#endif

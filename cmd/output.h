/*
 * What a tool prints: records on standard output, messages on standard error, and the records of images
 * that failed in the file of --failed.
 *
 * Several threads may call these functions, but for those that start something.
 */
#ifndef OUTPUT_H
#define OUTPUT_H

#include "tool.h"

/*
 * From now on, the notices and the progress that the library reports are shown, and output that cannot
 * be written is an error instead of a signal.
 */
void tool_start_output(struct tool *tool);

/* Prints the record of a processed image; exits if standard output cannot be written. */
void tool_done(struct tool *tool, const ducc_record *record);

/* Prints a comment for what was skipped because it is not an image. */
void tool_skip(struct tool *tool, const ducc_record *record);

/*
 * A callback for ducc_wish() and ducc_hook(): prints the record, reports the error, frees both,
 * and returns true.
 */
bool tool_take(void *tool, ducc_record *record, ducc_error *err);

/* Prints a line of two parts at once. */
void tool_print(const struct tool *tool, const char *before, const char *text);

/*
 * Flushes standard output; exits if it cannot be written.  If nobody reads it any more, that is by
 * SIGPIPE, without a message, unless the signal is ignored.
 */
void tool_flush(const struct tool *tool);

/* False if standard output could not be written, so that there is no use in printing more. */
bool tool_printed(struct tool *tool);

/* Reports a failure, of `what` unless that is NULL, and counts it. */
void tool_report(struct tool *tool, const char *what, const char *message);

/* The same of an error, which it frees. */
void tool_fail(struct tool *tool, const char *what, ducc_error *err);

/* Reports that the whole job has failed; if the request was invalid, that is a usage error. */
void tool_fail_all(struct tool *tool, ducc_error *err);

/*
 * From now on, records of failed images are appended to the file.  It is opened at once, as a confined
 * tool cannot open files later; exits if that fails.
 */
void tool_keep_failures(struct tool *tool, const char *path);

/* Reports a failed image, or writes its record to the file of --failed; frees the error. */
void tool_fail_record(struct tool *tool, const ducc_record *record, ducc_error *err);

#endif

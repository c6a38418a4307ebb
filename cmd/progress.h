/*
 * Progress at the bottom of the terminal that standard error is: a line for the whole, and one for
 * each of the things that move, as many as there is room for.
 *
 * The cursor stays at the beginning of these lines.  Whoever else writes to the terminal thus
 * continues above them, and a tool clears what is below it before that; so tools that share a
 * terminal, in a pipeline, need not know how many lines another one has drawn.  A lock on the
 * terminal decides which of them shows its progress: the first one that works on an image, until it
 * has none or reports something; then, perhaps, the next one.
 *
 * Several threads may call these functions.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdio.h>

#include "ducc.h"

/*
 * Returns true if standard error is a terminal that can show progress.  Only after that has
 * returned true do the other functions have an effect.
 */
bool progress_possible(const char *tool);

/* Starts a thread that draws.  Signals that would kill the program clear the lines before. */
void progress_start(void);
/* Clears the lines, for good. */
void progress_stop(void);

/* A callback of struct ducc_options. */
void progress_report(void *ctx, const struct ducc_progress *report);

/* n more images are worked on, and one less. */
void progress_begin_images(size_t n);
void progress_end_image(void);
/* How many images follow, as far as that is known. */
void progress_follow(size_t n, bool more);

/*
 * Encloses output to a stream: nothing is drawn meanwhile if it goes to the terminal.  Returns what
 * to write first.
 */
const char *progress_pause(FILE *stream);
void progress_resume(FILE *stream);

#endif

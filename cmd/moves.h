/*
 * What moves, for progress.c, which calls these functions from one thread at a time: the things of
 * which the library has reported progress, the images, and the text that shows them.
 *
 * Times are in seconds, of any clock that does not jump.
 */
#ifndef MOVES_H
#define MOVES_H

#include "ducc.h"

void moves_report(const struct ducc_progress *report, double time);

/* n more images are worked on, and one less. */
void moves_begin_images(size_t n);
/* What is left of the last one does not move any more. */
void moves_end_image(void);
/* How many images follow, as far as that is known. */
void moves_follow(size_t n, bool more);

/* True if an image is worked on, or something moves. */
bool moves_any(void);
/* Nothing moves any more. */
void moves_end(void);

/* Call it several times a second, for the rate, and at the start. */
void moves_sample(double time);

/* Lines of at most so many columns, if possible, which the caller frees. */

/* For the whole, beginning with the name of the tool. */
char *moves_summary(const char *tool, int columns, double time);
/* For the thing that moves as number i, counted from 0; NULL: there is none. */
char *moves_line(size_t i, int columns, double time);

#endif

/*
 * The time of day, from one place.
 *
 * $DUCC_CLOCK, seconds since 1970, stands in for the real one: so that a test can live
 * through a year.
 */
#ifndef DUCC_CLOCK_H
#define DUCC_CLOCK_H

#include <stdbool.h>
#include <time.h>

struct timespec clock_now(void);

/* "2026-11-24T12:00:00Z" (RFC 3339, UTC); the caller frees it. */
char *clock_format(time_t when);

/* The reverse; false if the text is not such a time. */
bool clock_parse(const char *text, time_t *when);

#endif

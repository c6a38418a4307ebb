/*
 * The time of day, and time that passes.
 *
 * $DUCC_CLOCK, in seconds since 1970, overrides the real time, so that a test can
 * simulate a year.
 */
#ifndef DUCC_CLOCK_H
#define DUCC_CLOCK_H

#include <stdbool.h>
#include <time.h>

struct timespec clock_now(void);

/* "2026-11-24T12:00:00Z" (RFC 3339, UTC); the caller frees it. */
char *clock_format(time_t when);

/* Parses that format; returns false if the text does not match it. */
bool clock_parse(const char *text, time_t *when);

/* Seconds on a monotonic clock, which starts at an arbitrary time. */
double clock_monotonic(void);

#endif

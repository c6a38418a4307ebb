/*
 * What a job runs in: the way to the caller's callbacks, and how long others are waited for.
 *
 * Callbacks come one at a time, from any thread; the members may be NULL.
 */
#ifndef DUCC_CONTEXT_H
#define DUCC_CONTEXT_H

#include <pthread.h>

#include "base/error.h"

struct context {
	void (*notice)(void *ctx, enum ducc_level level, const char *text);
	void (*progress)(void *ctx, const struct ducc_progress *progress);
	bool (*cancelled)(void *ctx);
	void *ctx;
	unsigned wait; /* seconds, for a transaction of somebody else */
	pthread_mutex_t mutex;
};

void context_init(struct context *context, const struct ducc_options *options);
void context_destroy(struct context *context);

/* Tells the caller; what cannot be printed is escaped, what is too long shortened. */
void context_notice(struct context *context, enum ducc_level level, const char *fmt, ...)
	PRINTF(3, 4);
void context_progress(struct context *context, const char *what, uint64_t done, uint64_t total);

/* True if the caller wants the job to be given up. */
bool context_cancelled(struct context *context);

/* The error of a job that is given up; -1. */
int context_interrupted(ducc_error **err);

/* Waits so long; false if the caller wants the job to be given up. */
bool context_wait(struct context *context, uint64_t milliseconds);

#endif

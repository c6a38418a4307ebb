/*
 * The context of a job: the caller's callbacks, and the time limit for waiting.
 *
 * Callbacks are serialised, but may run on any thread; each may be NULL.
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
	unsigned wait; /* seconds to wait for another process's transaction */
	pthread_mutex_t mutex;
};

void context_init(struct context *context, const struct ducc_options *options);
void context_destroy(struct context *context);

/*
 * The subject of the calling thread's notices, for example the image that it works on, which
 * precedes their text; NULL: none.  It must exist until another one is set.  parallel_run()
 * gives it to its threads.
 */
const char *context_subject(void);
void context_set_subject(const char *subject);

/* Passes a notice to the caller, shortened if too long (text.h), but not escaped. */
void context_notice(struct context *context, enum ducc_level level, const char *fmt, ...)
	PRINTF(3, 4);
void context_progress(struct context *context, const char *what, uint64_t done, uint64_t total);

/* True if the caller has cancelled the job. */
bool context_cancelled(struct context *context);

/* Sets the error of a cancelled job; returns -1. */
int context_interrupted(ducc_error **err);

/* Sleeps for that time; returns false as soon as the caller cancels the job. */
bool context_wait(struct context *context, uint64_t milliseconds);

#endif

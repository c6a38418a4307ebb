/*
 * The context of a job: the caller's callbacks, and the limits of its time.
 *
 * Callbacks are serialised, but may run on any thread; each may be NULL.
 */
#ifndef DUCC_CONTEXT_H
#define DUCC_CONTEXT_H

#include <pthread.h>
#include <time.h>

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
 * What the calling thread works on, for example an image; NULL: nothing in particular.  It must
 * exist until another one is set.  parallel_run() and stage_detach() give it to their threads.
 */
struct subject {
	const char *name;   /* precedes the text of notices; or NULL */
	uint64_t seconds;   /* that it may take from the start; 0: as many as it needs */
	double start;       /* on the monotonic clock */
	const char *remedy; /* how to allow more, for the error */
};

const struct subject *context_subject(void);
void context_set_subject(const struct subject *subject);

/* From now on it may take so many seconds; `remedy` tells how to allow more: "-l time=N". */
void subject_limit(struct subject *subject, uint64_t seconds, const char *remedy);

/* Passes a notice to the caller, shortened if too long (text.h), but not escaped. */
void context_notice(struct context *context, enum ducc_level level, const char *fmt, ...)
	PRINTF(3, 4);
void context_progress(struct context *context, const struct ducc_progress *progress);

/* True if the caller has cancelled the job, or the subject's time is over. */
bool context_cancelled(struct context *context);

/* Returns -1 with *err set if so, else 0. */
int context_check(struct context *context, ducc_error **err);

/* Sets the error of a cancelled job; returns -1. */
int context_interrupted(ducc_error **err);

/* Sleeps for that time; returns false as soon as context_cancelled(). */
bool context_wait(struct context *context, uint64_t milliseconds);

#endif

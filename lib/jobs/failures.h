/*
 * What a check could not look at.  That is no difference: it proves nothing about what is there.
 * The first failure is the error of the job, the others are warnings.
 *
 * Only permissions, and content that cannot be read, belong to what is checked: those are
 * reported as `unreadable'.
 */
#ifndef DUCC_FAILURES_H
#define DUCC_FAILURES_H

#include <pthread.h>

#include "base/context.h"

struct failures {
	struct context *context;
	pthread_mutex_t mutex;
	ducc_error **errors; /* the first ones */
	size_t n, capacity;
};

#define FAILURES(context_)                                                                         \
	{                                                                                          \
		.context = (context_), .mutex = PTHREAD_MUTEX_INITIALIZER                          \
	}

/* Adds a failure; takes ownership of the error. */
void failures_add(struct failures *failures, ducc_error *error);

/* The same for the errno value of a call that failed for a path. */
void failures_add_errno(struct failures *failures, int code, const char *path);

/* Passes the first failure to *err and returns -1; 0 if there is none.  Warns of the rest; releases all. */
int failures_end(struct failures *failures, ducc_error **err);
/* Releases all that is kept, without a word. */
void failures_free(struct failures *failures);

#endif

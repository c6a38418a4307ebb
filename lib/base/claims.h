/*
 * Claims: sets of names that threads claim, so that others with the same names wait.
 *
 * A claim is made for all of its names at once, so that threads that wait for each other cannot
 * deadlock.
 */
#ifndef DUCC_CLAIMS_H
#define DUCC_CLAIMS_H

#include <pthread.h>

#include "base/strmap.h"

struct claim {
	/* A text for each name: claims share it if both have the same text, and that is not empty. */
	struct strmap names;
	struct claim *next;
};

struct claims {
	pthread_mutex_t mutex;
	pthread_cond_t dropped;
	struct claim *first;
};

void claims_init(struct claims *claims);
void claims_destroy(struct claims *claims);

/*
 * Waits until no other claim is in the way of this one, and makes it: true if it had to wait.  Until
 * it is dropped, the caller keeps it as it is, and its texts.
 */
bool claims_take(struct claims *claims, struct claim *claim);

/* Drops the claim, and frees its names; one that was not made may be dropped, too. */
void claims_drop(struct claims *claims, struct claim *claim);

#endif

/*
 * Limits on the resources of an image: struct ducc_limits with its defaults, and counters
 * of what is used.
 *
 * A few hundred bytes of a compressed tar can expand to any number of entries of any
 * depth.  What a layer's own entries take is charged before it is spent, what merging adds to
 * a layer before it is written.
 *
 * What libraries allocate is not counted; tar_header.h and json.h bound that.
 */
#ifndef DUCC_QUOTA_H
#define DUCC_QUOTA_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/error.h"

enum limit {
	LIMIT_LAYER,
	LIMIT_IMAGE,
	LIMIT_LISTING,       /* of a layer */
	LIMIT_IMAGE_LISTING, /* of all layers of an image together */
	LIMIT_ENTRIES,       /* of a layer */
	LIMIT_IMAGE_ENTRIES,
	LIMIT_DEPTH,
	LIMIT_LAYERS,
};

/* The limit for a layer or image of `compressed` bytes: the chosen one, else the default. */
uint64_t limits_get(const struct ducc_limits *chosen, enum limit limit, uint64_t compressed);

/* Sets an error that the limit, `value`, is exceeded, and names its option; returns -1. */
int limits_exceeded(enum limit limit, uint64_t value, ducc_error **err);

/* A limit and how much of it is used.  Threads may share one. */
struct quota {
	enum limit limit;
	uint64_t most;
	_Atomic uint64_t used;
};

/* Starts with nothing used; limit and `compressed` as in limits_get(). */
void quota_begin(struct quota *quota, const struct ducc_limits *chosen, enum limit limit,
		 uint64_t compressed);

/* Uses n more.  Returns 0, or -1 with *err set if less than n is left. */
int quota_take(struct quota *quota, uint64_t n, ducc_error **err);

/* Returns -1 with *err set if n exceeds the whole limit, else 0.  Uses nothing. */
int quota_check(const struct quota *quota, uint64_t n, ducc_error **err);

#endif

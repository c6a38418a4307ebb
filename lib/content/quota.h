/*
 * Limits on the resources of an image: struct ducc_limits with its names and defaults, and usage
 * counters.
 *
 * A few hundred bytes of a compressed tar can expand to any number of entries of any
 * depth.  Resources for a layer's own entries are charged before they are used, those for
 * additions by merging before they are written.
 *
 * Allocations by libraries are not counted; compression.h and json.h bound them.
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
	LIMIT_PATH,
	LIMIT_LAYERS,
	LIMIT_BLOBS,
	LIMIT_RATIO, /* the default of LIMIT_LAYER and LIMIT_IMAGE depends on it */
	LIMIT_TIME,
	LIMIT_JSON,   /* readers take no more than the default */
	LIMIT_XATTRS, /* the same */
};

/* The limit for a layer or image of `compressed` bytes: the chosen value or the default. */
uint64_t limits_get(const struct ducc_limits *chosen, enum limit limit, uint64_t compressed);

/* Reports that the limit, `value`, is exceeded, and names its option; returns -1. */
int limits_exceeded(enum limit limit, uint64_t value, ducc_error **err);

/* A limit and its current use.  Threads may share one. */
struct quota {
	enum limit limit;
	uint64_t most;
	_Atomic uint64_t used;
};

/* Initialises an unused quota; limit and `compressed` are as in limits_get(). */
void quota_begin(struct quota *quota, const struct ducc_limits *chosen, enum limit limit,
		 uint64_t compressed);

/* Charges n more.  Returns 0, or -1 with *err set if less than n is left. */
int quota_take(struct quota *quota, uint64_t n, ducc_error **err);

/* Gives back n of what was charged. */
void quota_return(struct quota *quota, uint64_t n);

/* Returns -1 with *err set if n exceeds the whole limit, else 0.  Charges nothing. */
int quota_check(const struct quota *quota, uint64_t n, ducc_error **err);

#endif

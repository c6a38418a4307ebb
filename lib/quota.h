/*
 * What an image may cost: struct ducc_limits, completed with defaults, and counters of
 * what it has cost so far.
 *
 * A few hundred bytes of a compressed tar can stand for any number of entries, of any
 * depth.  So each thing that an image can have many of is counted as it comes, before
 * memory or disk is spent on it.
 */
#ifndef DUCC_QUOTA_H
#define DUCC_QUOTA_H

#include <stdatomic.h>
#include <stdint.h>

#include "error.h"

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

/* The limit for what has that many compressed bytes: as chosen, else the default of ducc.h. */
uint64_t limits_get(const struct ducc_limits *chosen, enum limit limit, uint64_t compressed);

/* Sets an error that says of which limit, of that value, there is more; -1. */
int limits_exceeded(enum limit limit, uint64_t value, ducc_error **err);

/* A limit, and how much of it is used.  Several threads may take from it at a time. */
struct quota {
	enum limit limit;
	uint64_t most;
	_Atomic uint64_t used;
};

void quota_begin(struct quota *quota, const struct ducc_limits *chosen, enum limit limit,
		 uint64_t compressed);

/* Uses n more; -1 with *err set if there is not so much left. */
int quota_take(struct quota *quota, uint64_t n, ducc_error **err);

/* Fails as quota_take() would if all of it were left, and takes nothing. */
int quota_check(const struct quota *quota, uint64_t n, ducc_error **err);

#endif

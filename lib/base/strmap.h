/*
 * A map from strings to pointers, on top of a set of strings (strset.h), and as fast.
 * `struct strmap map = {.values = NULL}` is an empty one.  Release with strmap_free().
 */
#ifndef DUCC_STRMAP_H
#define DUCC_STRMAP_H

#include "base/strset.h"

struct strmap {
	struct strset keys;
	void **values; /* in the order of the keys */
	size_t capacity;
};

/* The value, or NULL if there is none. */
void *strmap_get(const struct strmap *map, const char *key);

/* Sets the value, which is not NULL; returns the one that it takes the place of, or NULL. */
void *strmap_put(struct strmap *map, const char *key, void *value);

/* The values are whose they were, unless they are freed here as well. */
void strmap_free(struct strmap *map);
void strmap_free_values(struct strmap *map, void (*free_value)(void *value));

#endif

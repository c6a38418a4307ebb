/*
 * A map from strings to pointers, on top of a set of strings (strset.h), and as fast.
 * `struct strmap map = {.values = NULL}` is empty.  Release it with strmap_free().
 */
#ifndef DUCC_STRMAP_H
#define DUCC_STRMAP_H

#include "base/strset.h"

struct strmap {
	struct strset keys;
	void **values; /* in the order of the keys */
	size_t capacity;
};

/* The value, or NULL if the key is absent. */
void *strmap_get(const struct strmap *map, const char *key);

/* Sets the value, which must not be NULL; returns the value that it replaces, or NULL. */
void *strmap_put(struct strmap *map, const char *key, void *value);

/* The map does not own its values; strmap_free_values() frees them as well. */
void strmap_free(struct strmap *map);
void strmap_free_values(struct strmap *map, void (*free_value)(void *value));

#endif

/*
 * A set of strings in the order of insertion, from which the latest can be removed again.
 * `struct strset set = {NULL}` is an empty set.  Insertion, lookup and removal take constant
 * time.  Release with strset_free().
 */
#ifndef DUCC_STRSET_H
#define DUCC_STRSET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"
#include "base/siphash.h"

struct strset {
	char **list; /* n strings of the set's own, the earliest first */
	size_t n, capacity;
	size_t *slots; /* hash table: a number in the list, counted from 1; 0 is free */
	size_t n_slots;
	struct siphash_key key;
};

/* Adds a copy of the string; returns false if the set has it already. */
bool strset_add(struct strset *set, const char *text);

/* Where the string is in the list; n if it isn't. */
size_t strset_find(const struct strset *set, const char *text);

bool strset_has(const struct strset *set, const char *text);

/* Removes all but the first n strings. */
void strset_cut(struct strset *set, size_t n);

void strset_free(struct strset *set);

#define AUTO_STRSET CLEANUP(strset_free) struct strset

#endif

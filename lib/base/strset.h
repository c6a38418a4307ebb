/*
 * A set of strings in order of insertion; only the latest can be removed.
 * `struct strset set = {NULL}` is empty.  Insertion, lookup and removal take constant
 * time.  Release it with strset_free().
 */
#ifndef DUCC_STRSET_H
#define DUCC_STRSET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"
#include "base/siphash.h"

struct strset {
	char **list; /* n strings, owned by the set, earliest first */
	size_t n, capacity;
	size_t *slots; /* hash table: index into list plus 1; 0: free */
	size_t n_slots;
	struct siphash_key key;
};

/* Adds a copy of the string; returns false if the set already contains it. */
bool strset_add(struct strset *set, const char *text);

/* The string's index in the list; n if it is absent. */
size_t strset_find(const struct strset *set, const char *text);

bool strset_has(const struct strset *set, const char *text);

/* Removes all but the first n strings. */
void strset_cut(struct strset *set, size_t n);

/* Sorts the strings by their bytes. */
void strset_sort(struct strset *set);

void strset_free(struct strset *set);

#define AUTO_STRSET CLEANUP(strset_free) struct strset

#endif

/*
 * A set of strings that remembers the order in which they were added, and can go back
 * to what it was before.  `struct strset set = {0}` is an empty one; adding, asking and
 * forgetting take constant time.  Release with strset_free().
 */
#ifndef DUCC_STRSET_H
#define DUCC_STRSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct strset {
	char **list; /* n strings of the set's own, the earliest first */
	size_t n, capacity;
	size_t *slots; /* hash table: a number in the list, counted from 1; 0 is free */
	size_t n_slots;
	uint64_t seed;
};

/* Adds a copy of the string; false if it was in the set already. */
bool strset_add(struct strset *set, const char *text);

bool strset_has(const struct strset *set, const char *text);

/* Forgets all but the first n strings. */
void strset_cut(struct strset *set, size_t n);

void strset_free(struct strset *set);

#endif

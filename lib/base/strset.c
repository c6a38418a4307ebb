/* A set of strings: see strset.h. */
#include "base/strset.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define FIRST_SLOTS 64 /* a power of two, as is every later size */

/* The slot of the string, or the free slot where it belongs. */
static size_t *find(const struct strset *set, const char *text)
{
	uint64_t i = siphash(&set->key, 0, text, strlen(text));

	for (;; i++) {
		size_t *slot = &set->slots[i & (set->n_slots - 1)];

		if (!*slot || !strcmp(set->list[*slot - 1], text))
			return slot;
	}
}

/* Makes the hash table anew from the list. */
static void fill_slots(struct strset *set)
{
	free(set->slots);
	set->slots = xcalloc(set->n_slots, sizeof(*set->slots));
	for (size_t i = 0; i < set->n; i++)
		*find(set, set->list[i]) = i + 1;
}

static void grow(struct strset *set)
{
	size_t n_slots = set->n_slots ? set->n_slots * 4 : FIRST_SLOTS;

	if (!set->n_slots)
		set->key = siphash_new_key();
	set->n_slots = n_slots;
	fill_slots(set);
}

bool strset_add(struct strset *set, const char *text)
{
	size_t *slot;

	if (set->n >= set->n_slots / 2)
		grow(set);
	slot = find(set, text);
	if (*slot)
		return false;
	GROW(set->list, set->n, set->capacity);
	set->list[set->n++] = xstrdup(text);
	*slot = set->n;
	return true;
}

size_t strset_find(const struct strset *set, const char *text)
{
	size_t number = set->n ? *find(set, text) : 0;

	return number ? number - 1 : set->n;
}

bool strset_has(const struct strset *set, const char *text)
{
	return strset_find(set, text) < set->n;
}

void strset_cut(struct strset *set, size_t n)
{
	/* Latest first: then no remaining string was probed past the slot that becomes free. */
	while (set->n > n) {
		char *last = set->list[set->n - 1];

		*find(set, last) = 0;
		set->n--;
		free(last);
	}
}

static int by_bytes(const void *one, const void *other)
{
	return strcmp(*(char *const *)one, *(char *const *)other);
}

void strset_sort(struct strset *set)
{
	if (!set->n)
		return;
	qsort(set->list, set->n, sizeof(*set->list), by_bytes);
	fill_slots(set);
}

void strset_free(struct strset *set)
{
	strset_cut(set, 0);
	free(set->list);
	free(set->slots);
	*set = (struct strset){NULL};
}

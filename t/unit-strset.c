/* Sets of strings, with order and removal of the latest, and maps from strings. */
#include <stdlib.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/strmap.h"
#include "tap.h"

#define MANY 5000

static char *name(size_t i)
{
	return format("name-%zu", i * 7919 % 100003);
}

/* True if the set has just the first n names, in their order. */
static bool has_first(const struct strset *set, size_t n)
{
	for (size_t i = 0; i < MANY; i++) {
		AUTO_FREE char *text = name(i);

		if (strset_has(set, text) != (i < n) || (i < n && strcmp(set->list[i], text) != 0))
			return false;
	}
	return set->n == n;
}

/* True if the strings are in order, and each is found where it is. */
static bool is_sorted(const struct strset *set)
{
	for (size_t i = 0; i < set->n; i++)
		if (strset_find(set, set->list[i]) != i ||
		    (i && strcmp(set->list[i - 1], set->list[i]) >= 0))
			return false;
	return true;
}

static void add(struct strset *set, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		AUTO_FREE char *text = name(i);

		strset_add(set, text);
	}
}

static void test_map(void)
{
	struct strmap map = {.values = NULL};
	int one, two;

	ok(!strmap_get(&map, "a"), "an empty map has nothing");
	ok(!strmap_put(&map, "a", &one) && !strmap_put(&map, "b", &two), "values are put into it");
	ok(strmap_get(&map, "a") == &one && strmap_get(&map, "b") == &two && !strmap_get(&map, "c"),
	   "... and are under their keys");
	ok(strmap_put(&map, "a", &two) == &one && strmap_get(&map, "a") == &two, "... or replaced");
	for (size_t i = 0; i < MANY; i++) {
		AUTO_FREE char *text = name(i);

		strmap_put(&map, text, xstrdup(text));
	}
	for (size_t i = 0; i < MANY; i++) {
		AUTO_FREE char *text = name(i);
		const char *value = strmap_get(&map, text);

		if (!value || strcmp(value, text) != 0)
			ok(false, "%s is in it", text);
	}
	ok(map.keys.n == MANY + 2 && !strcmp(map.keys.list[1], "b"), "many are, in their order");
	map.values[0] = map.values[1] = NULL;
	strmap_free_values(&map, free);
	ok(!strmap_get(&map, "b"), "and all are forgotten");
}

int main(void)
{
	struct strset set = {NULL};

	ok(!strset_has(&set, "") && !strset_has(&set, "a"), "an empty set has nothing");
	strset_cut(&set, 0);
	ok(strset_add(&set, "a") && strset_add(&set, ""), "strings are added");
	ok(!strset_add(&set, "a") && !strset_add(&set, "") && set.n == 2, "... once");
	ok(strset_has(&set, "a") && strset_has(&set, "") && !strset_has(&set, "b"),
	   "... and are in it");
	strset_cut(&set, 1);
	ok(strset_has(&set, "a") && !strset_has(&set, ""), "the last one is forgotten");
	strset_free(&set);
	ok(!strset_has(&set, "a"), "and all of them");

	add(&set, 0, MANY);
	ok(has_first(&set, MANY), "many are in it, in their order");
	strset_cut(&set, MANY / 3);
	ok(has_first(&set, MANY / 3), "a part of them is forgotten");
	add(&set, MANY / 3, MANY);
	ok(has_first(&set, MANY), "... and added again");
	strset_sort(&set);
	ok(is_sorted(&set) && set.n == MANY, "they are sorted, and each is found");
	strset_free(&set);
	test_map();
	return done_testing();
}

/* A set of strings: insertion, lookup, order, and removal of the latest. */
#include <stdlib.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/strset.h"
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

static void add(struct strset *set, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		AUTO_FREE char *text = name(i);

		strset_add(set, text);
	}
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
	strset_free(&set);
	return done_testing();
}

/*
 * The plan of a garbage collection: which names are unwanted, which flat trees and layers no
 * wanted name needs, and for which of them the grace period has passed.
 *
 * Unwanted names, and flat trees and layers that no wanted image needs, are put on the
 * schedule.  They are removed after the grace period; a tree only if no remaining name needs
 * it.
 *
 * If only some images are considered, trees that none of the unwanted ones needs stay as they are,
 * on the schedule or not; but a removal that has begun is completed.
 */
#ifndef DUCC_GC_PLAN_H
#define DUCC_GC_PLAN_H

#include "format/repo_paths.h"
#include "repo/inventory.h"
#include "repo/schedule.h"

enum gc_wanted {
	GC_UNWANTED,
	GC_KEPT, /* unknown: it stays as it is, on the schedule or not, and is not removed */
	GC_WANTED,
};

enum gc_kind { GC_NAME, GC_FLAT, GC_LAYER };

struct gc_item {
	enum gc_kind kind;
	char *path;           /* as in the schedule */
	struct digest digest; /* of a flat tree or layer */
	time_t since;
	bool is_new; /* it was not on the schedule */
	bool remove; /* it is removed now */
};

struct gc_plan {
	struct gc_item
		*items; /* names, then flat trees, then layers; of each kind sorted by path */
	size_t first[GC_LAYER + 2]; /* of each kind, and the end */
	size_t n, capacity;
	size_t n_names;         /* in the repository */
	size_t n_new_names;     /* added to the schedule now */
	size_t n_removed_names; /* removed now, on the schedule before or not */
	size_t n_removed;       /* items removed now */
	bool *removed;          /* for each image in the inventory */
};

/* What is to be removed, and when. */
struct gc_policy {
	enum gc_wanted (*is_wanted)(void *ctx, const char *name); /* a public name */
	/*
	 * True for a tree that another publisher may be about to complete.  If no image needs
	 * it, it is removed after a day at the earliest.
	 */
	bool (*is_incomplete)(void *ctx, enum repo_tree kind, const struct digest *tree);
	void *ctx;
	bool some; /* only some images are considered */
	time_t now;
	uint64_t grace; /* seconds */
};

void gc_plan_make(struct gc_plan *plan, const struct inventory *inventory,
		  const struct schedule *schedule, const struct gc_policy *policy);
/* The item for a path, or NULL. */
const struct gc_item *gc_plan_find(const struct gc_plan *plan, enum gc_kind kind, const char *path);

void gc_plan_free(struct gc_plan *plan);

#endif

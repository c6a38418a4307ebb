/* The plan of a garbage collection: see gc_plan.h. */
#include "jobs/gc_plan.h"

#include "base/mem.h"
#include "content/listing.h"
#include "format/repo_paths.h"

#define DAY 86400u

struct planner {
	struct gc_plan *plan;
	const struct schedule *schedule;
	const struct gc_policy *policy;
};

/* How long it has been unwanted, in seconds: a wrong clock may have noted a time in the future. */
static uint64_t age(const struct planner *planner, const struct gc_item *item)
{
	time_t now = planner->policy->now;

	return now > item->since ? (uint64_t)(now - item->since) : 0;
}

/* Takes ownership of the path.  `needed`: something that stays refers to it. */
static struct gc_item *add_item(struct planner *planner, enum gc_kind kind, char *path,
				const struct digest *digest, bool needed)
{
	struct gc_plan *plan = planner->plan;
	const struct scheduled *scheduled = schedule_find(planner->schedule, path);
	struct gc_item *item;

	GROW(plan->items, plan->n, plan->capacity);
	item = &plan->items[plan->n++];
	*item = (struct gc_item){.kind = kind, .path = path, .is_new = !scheduled};
	if (digest)
		item->digest = *digest;
	item->since = scheduled ? scheduled->since : planner->policy->now;
	item->remove = !needed && ((scheduled && scheduled->removing) ||
				   age(planner, item) >= planner->policy->grace);
	plan->n_removed += item->remove;
	return item;
}

static enum repo_tree tree_kind(enum gc_kind kind)
{
	return kind == GC_FLAT ? REPO_TREE_FLAT : REPO_TREE_LAYER;
}

/* An incomplete tree of no image may be one that is just being published. */
static void spare_incomplete(struct planner *planner, struct gc_item *item)
{
	const struct gc_policy *policy = planner->policy;

	if (age(planner, item) >= DAY ||
	    !policy->is_incomplete(policy->ctx, tree_kind(item->kind), &item->digest))
		return;
	item->remove = false;
	planner->plan->n_removed--;
}

static int compare_names(const void *a, const void *b)
{
	const struct published *const *left = a, *const *right = b;

	return strcmp((*left)->name, (*right)->name);
}

/* Trees of one kind that images need. */
struct needs {
	struct digest_set wanted, remaining,
		unwanted; /* by images that are wanted, stay, are not */
};

static void needs_add(struct needs *needs, const struct digest *digest, enum gc_wanted how,
		      bool wanted, bool removed)
{
	if (!*digest->hex)
		return;
	if (wanted)
		digest_set_add(&needs->wanted, digest);
	if (!removed)
		digest_set_add(&needs->remaining, digest);
	if (how == GC_UNWANTED)
		digest_set_add(&needs->unwanted, digest);
}

static void needs_sort(struct needs *needs)
{
	digest_set_sort(&needs->wanted);
	digest_set_sort(&needs->remaining);
	digest_set_sort(&needs->unwanted);
}

static void needs_free(struct needs *needs)
{
	digest_set_free(&needs->wanted);
	digest_set_free(&needs->remaining);
	digest_set_free(&needs->unwanted);
}

/* Plans the names, and collects the trees that are needed. */
static void plan_names(struct planner *planner, const struct inventory *inventory,
		       struct needs *flats, struct needs *layers)
{
	struct gc_plan *plan = planner->plan;
	AUTO_FREE const struct published **images =
		xcalloc(inventory->n_images, sizeof(struct published *));
	const struct gc_item *item = NULL;
	enum gc_wanted how = GC_WANTED;
	bool wanted = false;

	for (size_t i = 0; i < inventory->n_images; i++)
		images[i] = &inventory->images[i];
	qsort(images, inventory->n_images, sizeof(struct published *), compare_names);
	for (size_t i = 0; i < inventory->n_images; i++) {
		const struct published *image = images[i];
		bool removed;

		if (!i || strcmp(images[i - 1]->name, image->name) != 0) {
			how = planner->policy->is_wanted(planner->policy->ctx, image->name);
			wanted = how == GC_WANTED ||
				 (how == GC_KEPT && !schedule_find(planner->schedule, image->name));
			plan->n_names++;
			item = wanted ? NULL
				      : add_item(planner, GC_NAME, xstrdup(image->name), NULL,
						 how == GC_KEPT);
			plan->n_new_names += item && item->is_new;
			plan->n_removed_names += item && item->remove;
		}
		removed = item && item->remove;
		plan->removed[image - inventory->images] = removed;
		needs_add(flats, &image->flat, how, wanted, removed);
		needs_add(flats, &image->linked, how, wanted, removed);
		for (size_t k = 0; k < image->n_layers; k++)
			needs_add(layers, &image->layers[k], how, wanted, removed);
	}
	needs_sort(flats);
	needs_sort(layers);
}

/* Plans the trees of one kind; `unclear`: an image may need any of them. */
static void plan_trees(struct planner *planner, enum gc_kind kind, const struct digest_set *trees,
		       const struct needs *needs, bool unclear)
{
	planner->plan->first[kind] = planner->plan->n;
	for (size_t i = 0; i < trees->n; i++) {
		const struct digest *tree = &trees->digests[i];
		AUTO_FREE char *path = repo_tree_directory(tree_kind(kind), tree);
		const struct scheduled *scheduled = schedule_find(planner->schedule, path);
		bool removing = scheduled && scheduled->removing;
		bool considered = !planner->policy->some || removing ||
				  digest_set_has(&needs->unwanted, tree);
		bool stays = unclear || !considered; /* as it is, on the schedule or not */
		struct gc_item *item;

		if (digest_set_has(&needs->wanted, tree) || (stays && !scheduled))
			continue;
		item = add_item(planner, kind, STEAL(path), tree,
				stays || digest_set_has(&needs->remaining, tree));
		if (item->remove && !removing && !digest_set_has(&needs->unwanted, tree))
			spare_incomplete(planner, item);
	}
}

void gc_plan_make(struct gc_plan *plan, const struct inventory *inventory,
		  const struct schedule *schedule, const struct gc_policy *policy)
{
	struct planner planner = {plan, schedule, policy};
	struct needs flats = {.wanted = {NULL}}, layers = {.wanted = {NULL}};

	*plan = (struct gc_plan){.removed = xcalloc(inventory->n_images, sizeof(bool))};
	plan_names(&planner, inventory, &flats, &layers);
	plan_trees(&planner, GC_FLAT, &inventory->flats, &flats, inventory->unclear_flat);
	plan_trees(&planner, GC_LAYER, &inventory->layers, &layers, inventory->unclear);
	plan->first[GC_LAYER + 1] = plan->n;
	needs_free(&flats);
	needs_free(&layers);
}

static int compare_items(const void *a, const void *b)
{
	const struct gc_item *left = a, *right = b;

	return strcmp(left->path, right->path);
}

const struct gc_item *gc_plan_find(const struct gc_plan *plan, enum gc_kind kind, const char *path)
{
	AUTO_FREE char *key = xstrdup(path);
	struct gc_item wanted = {.path = key};
	size_t first = plan->first[kind], n = plan->first[kind + 1] - first;

	return n ? bsearch(&wanted, plan->items + first, n, sizeof(wanted), compare_items) : NULL;
}

void gc_plan_free(struct gc_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++)
		free(plan->items[i].path);
	free(plan->items);
	free(plan->removed);
	*plan = (struct gc_plan){NULL};
}

/* The plan of a garbage collection: see gc_plan.h. */
#include "jobs/gc_plan.h"

#include "base/mem.h"
#include "content/listing.h"
#include "format/repo_paths.h"

struct planner {
	struct gc_plan *plan;
	const struct schedule *schedule;
	time_t now;
	uint64_t grace;
};

/* Takes ownership of the path.  `needed`: something that stays refers to it. */
static const struct gc_item *add_item(struct planner *planner, enum gc_kind kind, char *path,
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
	/* A time in the future, from a wrong clock, must not keep anything forever. */
	item->since =
		scheduled && scheduled->since < planner->now ? scheduled->since : planner->now;
	item->remove = !needed && ((scheduled && scheduled->removing) ||
				   (uint64_t)(planner->now - item->since) >= planner->grace);
	plan->n_removed += item->remove;
	return item;
}

static int compare_names(const void *a, const void *b)
{
	const struct published *const *left = a, *const *right = b;

	return strcmp((*left)->name, (*right)->name);
}

/* The trees of remaining images, and of those among them that are wanted. */
struct needs {
	struct digest_set wanted_flats, wanted_layers, flats, layers;
};

static void add_needs(struct needs *needs, const struct published *image, bool wanted)
{
	const struct digest *flats[] = {&image->flat, &image->linked};

	for (size_t i = 0; i < ARRAY_LEN(flats); i++) {
		if (!*flats[i]->hex)
			continue;
		digest_set_add(&needs->flats, flats[i]);
		if (wanted)
			digest_set_add(&needs->wanted_flats, flats[i]);
	}
	for (size_t i = 0; i < image->n_layers; i++) {
		digest_set_add(&needs->layers, &image->layers[i]);
		if (wanted)
			digest_set_add(&needs->wanted_layers, &image->layers[i]);
	}
}

/* Plans the names, and collects the trees that are needed. */
static void plan_names(struct planner *planner, const struct inventory *inventory,
		       enum gc_wanted (*is_wanted)(void *ctx, const char *name), void *ctx,
		       struct needs *needs)
{
	struct gc_plan *plan = planner->plan;
	AUTO_FREE const struct published **images =
		xcalloc(inventory->n_images, sizeof(struct published *));
	const struct gc_item *item = NULL;
	bool wanted = false;

	for (size_t i = 0; i < inventory->n_images; i++)
		images[i] = &inventory->images[i];
	qsort(images, inventory->n_images, sizeof(struct published *), compare_names);
	for (size_t i = 0; i < inventory->n_images; i++) {
		const struct published *image = images[i];

		if (!i || strcmp(images[i - 1]->name, image->name) != 0) {
			enum gc_wanted how = is_wanted(ctx, image->name);

			wanted = how == GC_WANTED ||
				 (how == GC_KEPT && !schedule_find(planner->schedule, image->name));
			plan->n_names++;
			item = wanted ? NULL
				      : add_item(planner, GC_NAME, xstrdup(image->name), NULL,
						 how == GC_KEPT);
			plan->n_new_names += item && item->is_new;
		}
		if (item && item->remove)
			plan->removed[image - inventory->images] = true;
		else
			add_needs(needs, image, wanted);
	}
	digest_set_sort(&needs->wanted_flats);
	digest_set_sort(&needs->wanted_layers);
	digest_set_sort(&needs->flats);
	digest_set_sort(&needs->layers);
}

void gc_plan_make(struct gc_plan *plan, const struct inventory *inventory,
		  const struct schedule *schedule,
		  enum gc_wanted (*is_wanted)(void *ctx, const char *name), void *ctx, time_t now,
		  uint64_t grace)
{
	struct planner planner = {plan, schedule, now, grace};
	struct needs needs = {.flats = {NULL}};

	*plan = (struct gc_plan){.removed = xcalloc(inventory->n_images, sizeof(bool))};
	plan_names(&planner, inventory, is_wanted, ctx, &needs);
	plan->first[GC_FLAT] = plan->n;
	for (size_t i = 0; i < inventory->flats.n; i++) {
		const struct digest *flat = &inventory->flats.digests[i];
		AUTO_FREE char *path = flat_directory(flat);

		/* Trees that may be needed stay as they are, on the schedule or not. */
		if (digest_set_has(&needs.wanted_flats, flat) ||
		    (inventory->unclear_flat && !schedule_find(schedule, path)))
			continue;
		add_item(&planner, GC_FLAT, STEAL(path), flat,
			 inventory->unclear_flat || digest_set_has(&needs.flats, flat));
	}
	plan->first[GC_LAYER] = plan->n;
	for (size_t i = 0; i < inventory->layers.n; i++) {
		const struct digest *layer = &inventory->layers.digests[i];
		AUTO_FREE char *path = layer_directory(layer);

		if (digest_set_has(&needs.wanted_layers, layer) ||
		    (inventory->unclear && !schedule_find(schedule, path)))
			continue;
		add_item(&planner, GC_LAYER, STEAL(path), layer,
			 inventory->unclear || digest_set_has(&needs.layers, layer));
	}
	plan->first[GC_LAYER + 1] = plan->n;
	digest_set_free(&needs.wanted_flats);
	digest_set_free(&needs.wanted_layers);
	digest_set_free(&needs.flats);
	digest_set_free(&needs.layers);
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

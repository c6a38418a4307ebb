/*
 * Garbage collection (ducc-gc(1)): what goes on the schedule, what goes, and what stays.
 *
 * Flat trees and layers are called after the one hexadecimal digit that their digest is made of.
 */
#include <stdlib.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "format/repo_paths.h"
#include "jobs/gc_plan.h"
#include "tap.h"

#define NOW ((time_t)1000000)
#define GRACE 1000U

/* A repository, what is on its schedule, and who is wanted. */
struct world {
	struct inventory inventory;
	struct schedule schedule;
	const char *wanted, *kept; /* names, each with a blank after it */
	bool some;                 /* the others are those to remove */
	const char *incomplete;    /* digits of trees */
};

static struct digest digest(char digit)
{
	struct digest digest = {""};

	memset(digest.hex, digit, DIGEST_HEX_LEN);
	return digest;
}

static void add_all(struct digest_set *set, const char *digits)
{
	for (; *digits; digits++) {
		struct digest one = digest(*digits);

		digest_set_add(set, &one);
	}
	digest_set_sort(set);
}

/* In the order of labels. */
static void add_labelled(struct world *world, const char *label, const char *name, char flat,
			 const char *layers)
{
	struct inventory *inventory = &world->inventory;
	struct published image = {.name = xstrdup(name),
				  .label = xstrdup(label),
				  .layers = xcalloc(strlen(layers), sizeof(struct digest)),
				  .n_layers = strlen(layers)};

	if (flat)
		image.flat = digest(flat);
	for (size_t i = 0; i < image.n_layers; i++)
		image.layers[i] = digest(layers[i]);
	GROW(inventory->images, inventory->n_images, inventory->images_capacity);
	inventory->images[inventory->n_images++] = image;
}

static void add(struct world *world, const char *name, char flat, const char *layers)
{
	add_labelled(world, name, name, flat, layers);
}

static void has_trees(struct world *world, const char *flats, const char *layers)
{
	add_all(&world->inventory.flats, flats);
	add_all(&world->inventory.layers, layers);
}

/* `path` is a name, or .flat/DIGIT or .layers/DIGIT; `ago` in seconds. */
static void scheduled(struct world *world, const char *path, long ago, bool removing)
{
	AUTO_FREE char *whole = NULL;

	if (!strncmp(path, ".flat/", 6)) {
		struct digest flat = digest(path[6]);

		whole = flat_directory(&flat);
	} else if (!strncmp(path, ".layers/", 8)) {
		struct digest layer = digest(path[8]);

		whole = layer_directory(&layer);
	}
	schedule_add(&world->schedule, whole ? whole : path, NOW - ago, removing);
	schedule_sort(&world->schedule);
}

static enum gc_wanted is_wanted(void *ctx, const char *name)
{
	const struct world *world = ctx;
	AUTO_FREE char *word = format("%s ", name);

	if (world->wanted && strstr(world->wanted, word))
		return GC_WANTED;
	return world->kept && strstr(world->kept, word) ? GC_KEPT : GC_UNWANTED;
}

/* Each item: what it is, for how long on the schedule, + if new to it, and ! if it goes. */
static char *describe(const struct gc_plan *plan)
{
	struct buffer text = {0};

	for (size_t i = 0; i < plan->n; i++) {
		const struct gc_item *item = &plan->items[i];

		buffer_adds(&text, i ? " " : "");
		if (item->kind == GC_NAME)
			buffer_adds(&text, item->path);
		else
			buffer_addf(&text, "%s/%c", item->kind == GC_FLAT ? ".flat" : ".layers",
				    *item->digest.hex);
		buffer_addf(&text, "@%ld%s%s", (long)(NOW - item->since), item->is_new ? "+" : "",
			    item->remove ? "!" : "");
	}
	return buffer_steal(&text);
}

static void is_sound(const struct gc_plan *plan)
{
	size_t removed = 0;
	bool sound = plan->first[GC_NAME] == 0 && plan->first[GC_LAYER + 1] == plan->n;

	for (size_t i = 0; i < plan->n; i++) {
		const struct gc_item *item = &plan->items[i];

		removed += item->remove;
		sound = sound && i >= plan->first[item->kind] && i < plan->first[item->kind + 1] &&
			gc_plan_find(plan, item->kind, item->path) == item;
		if (i && plan->items[i - 1].kind == item->kind)
			sound = sound && strcmp(plan->items[i - 1].path, item->path) < 0;
	}
	ok(sound && removed == plan->n_removed, "... in order, each to be found");
}

static void world_free(struct world *world)
{
	inventory_free(&world->inventory);
	schedule_free(&world->schedule);
}

#define WORLD(name) CLEANUP(world_free) struct world name = {.wanted = NULL}

static bool is_incomplete(void *ctx, enum repo_tree kind, const struct digest *tree)
{
	const struct world *world = ctx;

	(void)kind;
	return world->incomplete && strchr(world->incomplete, *tree->hex);
}

static void plan_of(struct gc_plan *plan, struct world *world, unsigned grace)
{
	struct gc_policy policy = {is_wanted, is_incomplete, world, world->some, NOW, grace};

	gc_plan_make(plan, &world->inventory, &world->schedule, &policy);
}

/* `new_names` go on the schedule. */
static void plans(struct world *world, unsigned grace, size_t new_names, const char *title,
		  const char *want)
{
	struct gc_plan plan;
	AUTO_FREE char *got = NULL;

	plan_of(&plan, world, grace);
	got = describe(&plan);
	is_string(got, want, title);
	is_sound(&plan);
	ok(plan.n_new_names == new_names, "... and %zu names are new to the schedule", new_names);
	gc_plan_free(&plan);
}

/* "Nothing goes at once": for as long as the grace period it is on the schedule. */
static void grace_period(void)
{
	WORLD(fresh);
	WORLD(young);
	WORLD(old);

	add(&fresh, "h/a:1", '1', "2");
	has_trees(&fresh, "1", "2");
	plans(&fresh, GRACE, 1, "what is not wanted is put on the schedule",
	      "h/a:1@0+ .flat/1@0+ .layers/2@0+");
	plans(&fresh, 0, 1, "without a grace period it goes at once",
	      "h/a:1@0+! .flat/1@0+! .layers/2@0+!");
	fresh.wanted = "h/a:1 ";
	plans(&fresh, 0, 0, "what is wanted is not", "");

	add(&young, "h/a:1", '1', "2");
	has_trees(&young, "1", "2");
	scheduled(&young, "h/a:1", 999, false);
	scheduled(&young, ".flat/1", 999, false);
	scheduled(&young, ".layers/2", 999, false);
	plans(&young, GRACE, 0, "a second before its end all is there",
	      "h/a:1@999 .flat/1@999 .layers/2@999");
	plans(&young, 999, 0, "at its end it goes", "h/a:1@999! .flat/1@999! .layers/2@999!");
	young.wanted = "h/a:1 ";
	plans(&young, 0, 0, "what is wanted again is taken off the schedule", "");

	add(&old, "h/a:1", '1', "2");
	has_trees(&old, "1", "2");
	scheduled(&old, "h/a:1", 5000, false);
	plans(&old, GRACE, 0, "each for its own time", "h/a:1@5000! .flat/1@0+ .layers/2@0+");
}

/* Times that cannot be: a clock was wrong, or is. */
static void clocks(void)
{
	WORLD(world);

	add(&world, "h/a:1", 0, "");
	scheduled(&world, "h/a:1", -100000, false);
	plans(&world, GRACE, 0, "what will be unwanted is not so for any time", "h/a:1@-100000");
	plans(&world, 0, 0, "... but need not be", "h/a:1@-100000!");
	schedule_free(&world.schedule);
	scheduled(&world, "h/a:1", NOW + 5, false);
	plans(&world, GRACE, 0, "a time before 1970 is a long time ago", "h/a:1@1000005!");
}

/* "A flat tree or layer only if no name that stays has it." */
static void shared_trees(void)
{
	WORLD(world);

	add(&world, "h/a:1", '1', "34");
	add(&world, "h/a:2", '2', "45");
	has_trees(&world, "12", "3456");
	world.wanted = "h/a:1 ";
	plans(&world, 0, 1, "what a wanted image has stays, and is not on the schedule",
	      "h/a:2@0+! .flat/2@0+! .layers/5@0+! .layers/6@0+!");
	world.wanted = NULL;
	scheduled(&world, ".layers/4", 5000, false);
	scheduled(&world, "h/a:1", 5000, false);
	plans(&world, GRACE, 1, "a name in its grace period keeps what it has",
	      "h/a:1@5000! h/a:2@0+ .flat/1@0+ .flat/2@0+ .layers/3@0+ .layers/4@5000 "
	      ".layers/5@0+ .layers/6@0+");
	world.wanted = "h/a:1 h/a:2 ";
	plans(&world, GRACE, 0, "a layer without an image goes in its time", ".layers/6@0+");
}

/* A tag has moved: the link of the name leads to one flat tree, its manifest to another. */
static void moved(void)
{
	WORLD(world);

	add(&world, "h/a:1", '1', "3");
	world.inventory.images[0].linked = digest('2');
	has_trees(&world, "123", "3");
	world.wanted = "h/a:1 ";
	plans(&world, 0, 0, "both flat trees of a wanted name stay", ".flat/3@0+!");
	world.wanted = NULL;
	plans(&world, GRACE, 1, "... and those of one in its grace period",
	      "h/a:1@0+ .flat/1@0+ .flat/2@0+ .flat/3@0+ .layers/3@0+");
	scheduled(&world, ".flat/1", 5000, false);
	scheduled(&world, ".flat/2", 5000, false);
	plans(&world, GRACE, 1, "... however long they have been on the schedule",
	      "h/a:1@0+ .flat/1@5000 .flat/2@5000 .flat/3@0+ .layers/3@0+");
}

/* A removal that was interrupted is finished, but for what is needed again. */
static void removing(void)
{
	WORLD(world);

	add(&world, "h/a:1", '1', "3");
	has_trees(&world, "12", "34");
	world.wanted = "h/a:1 ";
	scheduled(&world, ".flat/2", 1, true);
	scheduled(&world, ".layers/3", 1, true);
	scheduled(&world, ".layers/4", 1, true);
	plans(&world, GRACE, 0, "what is on its way out goes", ".flat/2@1! .layers/4@1!");
	world.wanted = NULL;
	plans(&world, GRACE, 1, "... unless a name that stays has it",
	      "h/a:1@0+ .flat/1@0+ .flat/2@1! .layers/3@1 .layers/4@1!");
}

/* "All that matches stays as it is, and does not go." */
static void unknown_tags(void)
{
	WORLD(world);

	add(&world, "h/a:1", '1', "3");
	add(&world, "h/a:2", '2', "4");
	has_trees(&world, "12", "34");
	world.kept = "h/a:1 h/a:2 ";
	plans(&world, 0, 0, "what may be wanted is not put on the schedule", "");
	scheduled(&world, "h/a:1", 5000, false);
	scheduled(&world, ".layers/3", 5000, false);
	plans(&world, 0, 0, "... nor taken off it, and keeps what it has",
	      "h/a:1@5000 .flat/1@0+ .layers/3@5000");
}

/* One name, images for several platforms. */
static void platforms(void)
{
	WORLD(world);
	struct gc_plan plan;

	add_labelled(&world, ".multiarch/linux/arm64/h/a:1", "h/a:1", '2', "35");
	add_labelled(&world, ".multiarch/linux/arm64/h/b:1", "h/b:1", '4', "6");
	add(&world, "h/a:1", '1', "34");
	has_trees(&world, "124", "3456");
	world.wanted = "h/b:1 ";
	plans(&world, 0, 1, "they go together",
	      "h/a:1@0+! .flat/1@0+! .flat/2@0+! .layers/3@0+! .layers/4@0+! .layers/5@0+!");
	plan_of(&plan, &world, 0);
	ok(plan.removed[0] && !plan.removed[1] && plan.removed[2], "... each of the images");
	ok(plan.n_names == 2, "... but it is one name of two");
	gc_plan_free(&plan);
	world.wanted = "h/a:1 ";
	plans(&world, 0, 1, "and stay together", "h/b:1@0+! .flat/4@0+! .layers/6@0+!");
}

/* "If the manifest of an image can't be read, no layer is removed." */
static void unclear(void)
{
	WORLD(world);

	add(&world, "h/a:1", '1', "");
	has_trees(&world, "12", "34");
	world.inventory.unclear = xstrdup("h/a:1");
	world.wanted = "h/a:1 ";
	plans(&world, 0, 0, "layers stay if an image does not tell which it has", ".flat/2@0+!");
	scheduled(&world, ".layers/3", 5000, false);
	scheduled(&world, ".layers/4", 5000, true);
	plans(&world, 0, 0, "... those on the schedule, too",
	      ".flat/2@0+! .layers/3@5000 .layers/4@5000");
	world.inventory.unclear_flat = true;
	plans(&world, 0, 0, "flat trees stay if one does not tell that",
	      ".layers/3@5000 .layers/4@5000");
	scheduled(&world, ".flat/2", 5000, true);
	plans(&world, 0, 0, "... those on the schedule, too",
	      ".flat/2@5000 .layers/3@5000 .layers/4@5000");
	world.wanted = NULL;
	plans(&world, 0, 1, "the image itself may go",
	      "h/a:1@0+! .flat/2@5000 .layers/3@5000 .layers/4@5000");
}

/* Only some images are removed. */
static void some(void)
{
	WORLD(world);

	add(&world, "h/a:1", '1', "34");
	add(&world, "h/b:1", '2', "45");
	has_trees(&world, "126", "34567");
	world.some = true;
	world.kept = "h/a:1 h/b:1 ";
	plans(&world, 0, 0, "of the others nothing goes, or is put on the schedule", "");
	world.kept = "h/b:1 ";
	plans(&world, 0, 1, "one goes, and what only it needs",
	      "h/a:1@0+! .flat/1@0+! .layers/3@0+!");
	plans(&world, GRACE, 1, "... or is scheduled", "h/a:1@0+ .flat/1@0+ .layers/3@0+");
	scheduled(&world, ".flat/6", 5000, false);
	scheduled(&world, ".layers/6", 1, true);
	scheduled(&world, ".layers/7", 5000, false);
	plans(&world, 0, 1, "the schedule of the others stays; what is on its way out goes",
	      "h/a:1@0+! .flat/1@0+! .flat/6@5000 .layers/3@0+! .layers/6@1! .layers/7@5000");
	scheduled(&world, "h/b:1", 5000, false);
	plans(&world, 0, 1, "one on the schedule keeps what it needs",
	      "h/a:1@0+! h/b:1@5000 .flat/1@0+! .flat/6@5000 .layers/3@0+! .layers/4@0+ "
	      ".layers/6@1! .layers/7@5000");
}

/* Another publisher may be about to complete a tree. */
static void incomplete(void)
{
	WORLD(world);

	add(&world, "h/a:1", '1', "3");
	has_trees(&world, "12", "345");
	world.incomplete = "1235";
	plans(&world, 0, 1, "a tree without an image stays for a day if it is incomplete",
	      "h/a:1@0+! .flat/1@0+! .flat/2@0+ .layers/3@0+! .layers/4@0+! .layers/5@0+");
	scheduled(&world, ".flat/2", 86400, false);
	scheduled(&world, ".layers/5", 86399, false);
	plans(&world, 0, 1, "... which is over",
	      "h/a:1@0+! .flat/1@0+! .flat/2@86400! .layers/3@0+! .layers/4@0+! .layers/5@86399");
}

static void nothing(void)
{
	WORLD(world);
	struct gc_plan plan;

	plans(&world, 0, 0, "of nothing nothing goes", "");
	scheduled(&world, "h/gone:1", 5000, false);
	scheduled(&world, ".flat/1", 5000, true);
	plans(&world, 0, 0, "nor does what is on the schedule only", "");
	plan_of(&plan, &world, 0);
	ok(!gc_plan_find(&plan, GC_NAME, "h/gone:1") && !gc_plan_find(&plan, GC_LAYER, ""),
	   "... or is to be found");
	gc_plan_free(&plan);
}

int main(void)
{
	grace_period();
	clocks();
	shared_trees();
	moved();
	removing();
	unknown_tags();
	platforms();
	unclear();
	some();
	incomplete();
	nothing();
	return done_testing();
}

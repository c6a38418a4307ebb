/*
 * Removing what the plan of ducc-gc says: see gc.h.
 *
 * Where the removal of trees takes long, there are several transactions.  The first removes the
 * names, and marks the trees on the schedule: their removal has begun.  The following ones read names
 * and schedule again, and remove those trees that are still marked and that no image needs.  In
 * between, others may publish: whoever needs a marked tree takes it off the schedule, in the same
 * transaction (publish.c).  If the removal is interrupted, the next run completes it.
 */
#include "base/mem.h"
#include "format/repo_paths.h"
#include "jobs/gc.h"
#include "podman/podman_remains.h"
#include "podman/podman_remove.h"
#include "repo/public_names.h"
#include "repo/target.h"

#define TREES_AT_A_TIME 20 /* so that other publishers get their turn */

/* --- one transaction -------------------------------------------------- */

static int remove_path(struct gc *gc, char *path, ducc_error **err)
{
	int result = transaction_remove(gc->transaction, path, err);

	free(path);
	return result;
}

/* Removes the metadata of an image, with the listing of a flat tree that is lost. */
static int remove_metadata(struct gc *gc, const struct published *image, ducc_error **err)
{
	const struct digest *tree = published_flat(image);
	AUTO_FREE char *flat = flat_directory(tree);

	if (*tree->hex && repository_lacks(&gc->repository, flat) &&
	    remove_path(gc, flat_listing(tree), err) < 0)
		return -1;
	return remove_path(gc, format(REPO_METADATA "/%s", image->label), err);
}

static int remove_names(struct gc *gc, ducc_error **err)
{
	for (size_t i = 0; i < gc->plan.first[GC_FLAT]; i++)
		if (gc->plan.items[i].remove &&
		    names_remove(gc->transaction, gc->plan.items[i].path, err) < 0)
			return -1;
	return 0;
}

static int remove_documents(struct gc *gc, ducc_error **err)
{
	for (size_t i = 0; i < gc->inventory.n_images; i++)
		if (gc->plan.removed[i] && remove_metadata(gc, &gc->inventory.images[i], err) < 0)
			return -1;
	return 0;
}

static bool goes(const struct gc *gc, enum gc_kind kind, const char *path)
{
	const struct gc_item *item = gc_plan_find(&gc->plan, kind, path);

	return item && item->remove;
}

static bool name_goes(void *ctx, const char *name)
{
	return goes(ctx, GC_NAME, name);
}

/* True if all images with this flat tree, and there are some, are removed now. */
static bool images_go(const struct gc *gc, const struct digest *flat)
{
	const struct inventory *inventory = &gc->inventory;
	bool go = false;

	for (size_t i = 0; i < inventory->n_images; i++) {
		const struct published *image = &inventory->images[i];

		if (!digest_equal(&image->flat, flat) && !digest_equal(&image->linked, flat))
			continue;
		if (!gc->plan.removed[i])
			return false;
		go = true;
	}
	return go && !inventory->unclear_flat;
}

/* An image goes with its flat tree; if that is lost, with its names. */
static bool config_goes(void *ctx, const char *hex)
{
	const struct gc *gc = ctx;
	struct digest digest;
	AUTO_FREE char *path = NULL;

	memcpy(digest.hex, hex, sizeof(digest.hex));
	path = flat_directory(&digest);
	return goes(gc, GC_FLAT, path) ||
	       (repository_lacks(&gc->repository, path) && images_go(gc, &digest));
}

/* Whoever removes only some images leaves everything else as it is. */
bool gc_removes_remains(const struct gc *gc)
{
	return !gc->images.some && !gc->inventory.unclear;
}

/* Which images have a manifest is known only if all of them can be read. */
static enum podman_fate fate_of_manifest(void *ctx, const struct digest *manifest)
{
	const struct gc *gc = ctx;

	if (gc->inventory.unclear || strset_has(&gc->staying, manifest->hex))
		return PODMAN_STAYS;
	return gc_removes_remains(gc) || strset_has(&gc->going, manifest->hex) ? PODMAN_GOES
									       : PODMAN_WAITS;
}

/* A layer that is missing is as one that goes; Podman does not need the flat tree. */
static enum podman_fate fate_of_tree(void *ctx, enum repo_tree kind, const struct digest *tree)
{
	const struct gc *gc = ctx;
	bool layer = kind == REPO_TREE_LAYER;
	AUTO_FREE char *path = repo_tree_directory(kind, tree);
	const struct gc_item *item = gc_plan_find(&gc->plan, layer ? GC_LAYER : GC_FLAT, path);

	if (item)
		return item->remove ? PODMAN_GOES : PODMAN_WAITS;
	return layer && repository_lacks(&gc->repository, path) ? PODMAN_GOES : PODMAN_STAYS;
}

/* Removes a flat tree or a layer, whose listing is in its directory. */
static int remove_tree(struct gc *gc, const struct gc_item *item, ducc_error **err)
{
	if (item->kind == GC_FLAT && remove_path(gc, flat_listing(&item->digest), err) < 0)
		return -1;
	return transaction_remove(gc->transaction, item->path, err);
}

static int remove_trees(struct gc *gc, ducc_error **err)
{
	for (size_t i = gc->plan.first[GC_FLAT]; i < gc->end; i++)
		if (gc->plan.items[i].remove && remove_tree(gc, &gc->plan.items[i], err) < 0)
			return -1;
	return 0;
}

/* Writes the schedule, if it has changed. */
static int add_schedule(struct gc *gc, ducc_error **err)
{
	struct schedule schedule = {NULL};
	AUTO_FREE char *json = NULL;
	bool changed = gc->plan.n_removed > 0 || gc->mend;

	for (size_t i = 0; i < gc->plan.n; i++) {
		const struct gc_item *item = &gc->plan.items[i];

		changed |= item->is_new;
		if (!item->remove || i >= gc->end)
			schedule_add(&schedule, item->path, item->since, item->remove);
	}
	schedule_sort(&schedule);
	for (size_t i = 0; i < gc->schedule.n && !changed; i++)
		changed = !schedule_find(&schedule, gc->schedule.entries[i].path) &&
			  !gc_is_gone(gc, gc->schedule.entries[i].path);
	if (!changed) {
		schedule_free(&schedule);
		return 0;
	}
	json = schedule_print(&schedule, err);
	schedule_free(&schedule);
	if (!json)
		return -1;
	return transaction_replace_file(gc->transaction, REPO_SCHEDULE, json, strlen(json), err);
}

static bool is_unwanted(void *ctx, const char *name)
{
	return gc_is_wanted(ctx, name) == GC_UNWANTED;
}

/* Podman may list each of them: to look at all for each would take the square of their number. */
static void note_manifests(struct gc *gc)
{
	strset_cut(&gc->staying, 0);
	strset_cut(&gc->going, 0);
	for (size_t i = 0; i < gc->inventory.n_images; i++)
		strset_add(gc->plan.removed[i] ? &gc->going : &gc->staying,
			   gc->inventory.images[i].manifest.hex);
}

static int remove_from_podman(struct gc *gc, ducc_error **err)
{
	struct podman_gone gone = {.name = name_goes,
				   .config = config_goes,
				   .manifest = fate_of_manifest,
				   .tree = fate_of_tree,
				   .ctx = gc,
				   .inventory = gc_removes_remains(gc) ? &gc->inventory : NULL};
	ducc_error *error = NULL;

	note_manifests(gc);
	gone.all = !gc->staying.n;
	if ((!gc->plan.n_removed && !gone.inventory) ||
	    !podman_remove(&gone, gc->transaction, &error))
		return 0;
	/* Without need, damaged lists are no obstacle. */
	return gc->plan.n_removed ? error_give(err, error) : error_pass_failure(err, error);
}

/*
 * The first transaction, or the only one.  If it cannot be completed or taken back, no image may
 * keep a name without its files: first the public names go, then those in Podman's lists, then what
 * they led to.
 */
static int add_steps(struct gc *gc, ducc_error **err)
{
	gc->end = gc->repository.target->removes_later ? gc->plan.first[GC_FLAT] : gc->plan.n;
	if (add_schedule(gc, err) < 0 || remove_names(gc, err) < 0 ||
	    remove_from_podman(gc, err) < 0)
		return -1;
	if (remove_documents(gc, err) < 0 || remove_trees(gc, err) < 0)
		return -1;
	return wishes_publish(gc->session, gc->transaction, is_unwanted, gc, err);
}

/* Plans anew, for a repository that others have changed in the meantime. */
static int plan_again(void *ctx, ducc_error **err)
{
	struct gc *gc = ctx;

	if (gc_make_plan(gc, err) < 0 || gc_check_plan(gc, err) < 0)
		return -1;
	return add_steps(gc, err);
}

/* A following transaction: plans, and removes some of the marked trees. */
static int add_trees(void *ctx, ducc_error **err)
{
	struct gc *gc = ctx;
	size_t n = 0;

	if (gc_make_plan(gc, err) < 0)
		return -1;
	gc->end = 0;
	while (gc->end < gc->plan.n && (!gc->repository.shared || n < TREES_AT_A_TIME))
		n += gc->plan.items[gc->end++].remove;
	if (remove_trees(gc, err) < 0)
		return -1;
	/* Without the schedule, it is faster. */
	return n && gc->repository.shared ? add_schedule(gc, err) : 0;
}

int gc_begin(struct gc *gc, ducc_error **err)
{
	gc->transaction =
		transaction_begin(&gc->session->context, &gc->store, &gc->repository, err);
	return gc->transaction ? 0 : -1;
}

/* Commits what there is to commit, and reports it. */
static int commit(struct gc *gc, int (*again)(void *ctx, ducc_error **err), ducc_error **err)
{
	if (transaction_is_empty(gc->transaction))
		return 0;
	if (transaction_open(gc->transaction, again, gc, err) < 0)
		return -1;
	if (transaction_is_empty(gc->transaction))
		return 0;
	if (transaction_commit(gc->transaction, err) < 0)
		return -1;
	if (!gc->marked)
		gc_report_scheduled(gc);
	for (size_t i = 0; i < gc->end; i++)
		if (gc->plan.items[i].remove)
			gc_report_removed(gc, gc->plan.items[i].path);
	return 0;
}

static int remove_first(struct gc *gc, ducc_error **err)
{
	if (add_steps(gc, err) < 0)
		return error_wrap(err, "repository %s", gc->repository.name);
	return commit(gc, plan_again, err);
}

/* --- a full repository ------------------------------------------------ */

/* Adds the public links of an image but those that are all that is known of another. */
static int find_links(const struct gc *gc, const char *name, struct strset *links, ducc_error **err)
{
	AUTO_STRSET paths = {NULL};

	strset_add(&paths, name);
	if (names_for_platforms(&gc->repository, name, &paths, err) < 0)
		return -1;
	for (size_t i = 0; i < paths.n; i++) {
		const char *path = paths.list[i];
		AUTO_FREE char *link = repository_read_link(&gc->repository, path);
		const struct published *image = inventory_find(&gc->inventory, path);

		if (link && (!image || *image->manifest.hex))
			strset_add(links, path);
	}
	return 0;
}

/* Removes the public links of images at once; their metadata lets the next run find them. */
static int discard_names(struct gc *gc, ducc_error **err)
{
	AUTO_STRSET links = {NULL};

	for (size_t i = 0; i < gc->inventory.n_images; i++) {
		const struct published *image = &gc->inventory.images[i];

		if (gc->plan.removed[i] && *image->manifest.hex &&
		    find_links(gc, image->name, &links, err) < 0)
			return -1;
	}
	return transaction_discard(gc->transaction, &links, err);
}

/*
 * Removes flat trees, or layers, at once.  Their listings go first: if this is interrupted, they are
 * incomplete, and nobody relies on them.
 */
static int discard_trees(struct gc *gc, enum gc_kind kind, ducc_error **err)
{
	AUTO_STRSET listings = {NULL}, trees = {NULL};

	for (size_t i = gc->plan.first[kind]; i < gc->plan.first[kind + 1]; i++) {
		const struct gc_item *item = &gc->plan.items[i];
		AUTO_FREE char *listing = kind == GC_FLAT ? flat_listing(&item->digest)
							  : layer_listing(&item->digest);

		if (!item->remove)
			continue;
		strset_add(&listings, listing);
		strset_add(&trees, item->path);
	}
	if (transaction_discard(gc->transaction, &listings, err) < 0 ||
	    transaction_discard(gc->transaction, &trees, err) < 0)
		return -1;
	for (size_t i = 0; i < trees.n; i++)
		gc_report_removed(gc, trees.list[i]);
	return 0;
}

/*
 * Where the file system is full, there is no space even for the transaction that removes images.
 * Without their names, nobody needs flat trees.  Layers go early only if that is not enough: Podman
 * has its own names for them until its lists can be written.
 */
static int remove_from_full(struct gc *gc, enum gc_kind last, ducc_error **err)
{
	transaction_end(STEAL(gc->transaction));
	if (gc_begin(gc, err) < 0 || gc_make_plan(gc, err) < 0 || gc_check_plan(gc, err) < 0)
		return -1;
	context_notice(&gc->session->context, DUCC_INFO, "%s: full: %s are removed first",
		       gc->repository.name, last == GC_FLAT ? "flat root file systems" : "layers");
	if (discard_names(gc, err) < 0)
		return -1;
	for (enum gc_kind kind = GC_FLAT; kind <= last; kind++)
		if (discard_trees(gc, kind, err) < 0)
			return -1;
	return gc_make_plan(gc, err) < 0 ? -1 : remove_first(gc, err);
}

/* Whether to go on without space: others can wait for it; until then, their names lead to all files. */
static bool is_full(const struct gc *gc, const ducc_error *error)
{
	return gc->images.find && gc->repository.target->discard &&
	       ducc_error_kind(error) == DUCC_NO_SPACE;
}

/* --- all of it -------------------------------------------------------- */

static int remove_unwanted(struct gc *gc, ducc_error **err)
{
	ducc_error *error = NULL;
	int result = remove_first(gc, &error);

	for (enum gc_kind last = GC_FLAT; result < 0 && last <= GC_LAYER && is_full(gc, error);
	     last++) {
		ducc_error_free(STEAL(error));
		result = remove_from_full(gc, last, &error);
	}
	return result < 0 ? error_give(err, error) : 0;
}

/* Removes the marked trees, in as many transactions as necessary. */
static int remove_marked(struct gc *gc, ducc_error **err)
{
	gc->marked = true;
	while (gc->end < gc->plan.n) {
		transaction_end(STEAL(gc->transaction));
		if (gc_begin(gc, err) < 0 || add_trees(gc, err) < 0 ||
		    commit(gc, add_trees, err) < 0)
			return error_wrap(err, "the next ducc-gc will complete it");
	}
	return 0;
}

int gc_remove(struct gc *gc, ducc_error **err)
{
	if (remove_unwanted(gc, err) < 0)
		return -1;
	return gc->plan.n_removed ? remove_marked(gc, err) : 0;
}

/*
 * The job of ducc-gc: removing images that are no longer wanted (ducc.h).
 *
 * It plans (gc_plan.h) and removes in one transaction, so a publish never relies on something
 * that is being removed.
 *
 * Where the removal of trees takes long, there are several.  The first removes the names, and
 * marks the trees on the schedule: their removal has begun.  The following ones read names and
 * schedule again, and remove those trees that are still marked and that no image needs.  In
 * between, others may publish: whoever needs a marked tree takes it off the schedule, in the same
 * transaction (publish.c).  If the removal is interrupted, the next run completes it.
 */
#include "jobs/gc.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/text.h"
#include "format/repo_paths.h"
#include "jobs/dry_run.h"
#include "jobs/targets.h"
#include "podman/podman_remains.h"
#include "podman/podman_remove.h"
#include "repo/public_names.h"
#include "repo/target.h"

#define TREES_AT_A_TIME 20 /* so that other publishers get their turn */
#define DAY ((time_t)86400)

/* --- the plan --------------------------------------------------------- */

static void forget_plan(struct gc *gc)
{
	inventory_free(&gc->inventory);
	schedule_free(&gc->schedule);
	gc_plan_free(&gc->plan);
}

/* True for nonsense. */
static bool is_stale(void *ctx, const struct scheduled *scheduled)
{
	struct gc *gc = ctx;
	bool stale = schedule_is_future(scheduled, gc->now) ||
		     (!scheduled->removing && repository_lacks(&gc->repository, scheduled->path));

	gc->mend |= stale;
	return stale;
}

/* In a repository that is not shared, nobody else is publishing now. */
static bool is_incomplete(void *ctx, enum repo_tree kind, const struct digest *tree)
{
	const struct gc *gc = ctx;
	AUTO_FREE char *listing = repo_tree_listing(kind, tree);

	return gc->repository.shared && repository_lacks(&gc->repository, listing);
}

const struct wish *gc_wish_of_others(const struct gc *gc, const char *name, bool *expanded)
{
	if (gc_images_wanted(&gc->images, name) != GC_UNWANTED ||
	    strset_has(&gc->images.unwanted, name))
		return NULL;
	return wishes_find(&gc->others, name, expanded);
}

/* Once the names are gone, every image that remains needs what it has. */
static enum gc_wanted is_wanted(void *ctx, const char *name)
{
	struct gc *gc = ctx;
	bool expanded;

	if (gc->marked)
		return GC_KEPT;
	if (gc_wish_of_others(gc, name, &expanded))
		return expanded ? GC_WANTED : GC_KEPT;
	return gc_images_wanted(&gc->images, name);
}

/* Only who says what to keep needs to know what else is to be kept. */
static int read_others(struct gc *gc, ducc_error **err)
{
	wishes_of_others_free(&gc->others);
	if (gc->marked || gc->images.some || gc->images.all)
		return 0;
	return wishes_read_others(&gc->others, gc->session, gc->repository.name, err);
}

/* The time at which the youngest image was published, and its name in *name. */
static time_t last_publication(const struct gc *gc, const char **name)
{
	AUTO_CLOSE int root = repository_root(&gc->repository);
	time_t last = 0;

	for (size_t i = 0; i < gc->inventory.n_images; i++) {
		const struct published *image = &gc->inventory.images[i];
		AUTO_FREE char *path = image_metadata(image->label, "manifest.json");
		struct stat st;

		if (fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_mtime <= last)
			continue;
		last = st.st_mtime;
		*name = image->name;
	}
	return last;
}

/* With a time that is too early on the schedule, the grace period would end too early. */
static int set_time(struct gc *gc, ducc_error **err)
{
	const char *name = NULL;
	time_t last = last_publication(gc, &name);
	AUTO_FREE char *clock = NULL, *published = NULL;

	gc->now = clock_now().tv_sec;
	if (last - gc->now > DAY && !gc->marked && !gc->images.some) {
		clock = clock_format(gc->now);
		published = clock_format(last);
		return error_set(err,
				 "repository %s: the clock, %s, is earlier than the publication of "
				 "%s, %s; nothing is changed (if the clock is right, remove this "
				 "image with ducc-gc --remove, and publish it again)",
				 gc->repository.name, clock, name, published);
	}
	if (gc->now < last)
		gc->now = last;
	return 0;
}

static int make_plan(struct gc *gc, ducc_error **err)
{
	struct gc_policy policy = {is_wanted, is_incomplete,    gc, gc->marked || gc->images.some,
				   0,         gc->options.grace};
	int result;

	forget_plan(gc);
	if (read_others(gc, err) < 0)
		return error_wrap(err, "repository %s", gc->repository.name);
	if (inventory_read(&gc->inventory, &gc->repository, err) < 0)
		return -1;
	if (gc->inventory.unread) {
		error_give(err, STEAL(gc->inventory.unread));
		return error_wrap(err, "repository %s", gc->repository.name);
	}
	if (set_time(gc, err) < 0)
		return -1;
	policy.now = gc->now;
	result = schedule_read(&gc->schedule, &gc->repository, err);
	if (result < 0)
		return error_wrap(err, "repository %s", gc->repository.name);
	if (result)
		context_notice(&gc->session->context, DUCC_WARNING,
			       "%s: " REPO_SCHEDULE " is damaged or was not written by ducc: all "
			       "grace periods begin again",
			       gc->repository.name);
	gc->mend = result;
	schedule_drop(&gc->schedule, is_stale, gc);
	if (gc->inventory.unclear)
		context_notice(&gc->session->context, DUCC_WARNING,
			       "%s: cannot read the manifest of %s: no layer is removed, because "
			       "the image may need it",
			       gc->repository.name, gc->inventory.unclear);
	if (!gc->marked)
		gc_images_find(&gc->images, &gc->inventory);
	gc_plan_make(&gc->plan, &gc->inventory, &gc->schedule, &policy);
	return 0;
}

/* Neither a truncated wish list nor a clock that is wrong must empty the repository. */
static int check_plan(const struct gc *gc, ducc_error **err)
{
	const struct gc_plan *plan = &gc->plan;
	size_t allowed = (plan->n_names * gc->options.share + 99) / 100;
	bool new = plan->n_new_names > allowed;
	size_t n = new ? plan->n_new_names : plan->n_old_names;
	AUTO_STRSET names = {NULL};
	AUTO_FREE char *list = NULL;

	if (gc->options.force || n <= allowed)
		return 0;
	for (size_t i = 0; i < plan->first[GC_FLAT]; i++)
		if (new ? plan->items[i].is_new : plan->items[i].remove)
			strset_add(&names, plan->items[i].path);
	list = gc_images_list(&names);
	return error_set(err,
			 "repository %s: %zu of %zu image%s %s, more than %u percent: %s; %s "
			 "(if %s, use -m %zu)",
			 gc->repository.name, n, plan->n_names, text_plural(plan->n_names),
			 new && !gc->images.some ? "are not among those to keep"
						 : "would be removed",
			 gc->options.share, list,
			 gc->session->dry_run ? "nothing would be changed" : "nothing is changed",
			 new && !gc->images.some ? "no other list wants them" : "that is intended",
			 (n * 100 + plan->n_names - 1) / plan->n_names);
}

/* After everything else: images to remove that are not published. */
static int check_missing(const struct gc *gc, ducc_error **err)
{
	const struct strset *missing = &gc->images.missing;
	AUTO_FREE char *list = missing->n ? gc_images_list(missing) : NULL;

	return list ? error_set_kind(err, DUCC_NOT_FOUND, "repository %s: not published: %s",
				     gc->repository.name, list)
		    : 0;
}

/* --- removal ---------------------------------------------------------- */

static int remove_path(struct gc *gc, char *path, ducc_error **err)
{
	int result = transaction_remove(gc->transaction, path, err);

	free(path);
	return result;
}

/* Removes the metadata of an image, with the listing of a flat tree that is lost. */
static int remove_metadata(struct gc *gc, const struct published *image, ducc_error **err)
{
	AUTO_FREE char *flat = flat_directory(&image->flat);

	if (*image->flat.hex && repository_lacks(&gc->repository, flat) &&
	    remove_path(gc, flat_listing(&image->flat), err) < 0)
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
			  !repository_lacks(&gc->repository, gc->schedule.entries[i].path);
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
	return is_wanted(ctx, name) == GC_UNWANTED;
}

/* Whoever removes only some images leaves everything else as it is. */
static bool removes_remains(const struct gc *gc)
{
	return !gc->images.some && !gc->inventory.unclear;
}

static int remove_from_podman(struct gc *gc, ducc_error **err)
{
	struct podman_gone gone = {name_goes, config_goes, gc,
				   removes_remains(gc) ? &gc->inventory : NULL};
	ducc_error *error = NULL;

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

	if (make_plan(gc, err) < 0 || check_plan(gc, err) < 0)
		return -1;
	return add_steps(gc, err);
}

/* A following transaction: plans, and removes some of the marked trees. */
static int add_trees(void *ctx, ducc_error **err)
{
	struct gc *gc = ctx;
	size_t n = 0;

	if (make_plan(gc, err) < 0)
		return -1;
	gc->end = 0;
	while (gc->end < gc->plan.n && (!gc->repository.shared || n < TREES_AT_A_TIME))
		n += gc->plan.items[gc->end++].remove;
	if (remove_trees(gc, err) < 0)
		return -1;
	/* Without the schedule, it is faster. */
	return n && gc->repository.shared ? add_schedule(gc, err) : 0;
}

static int begin(struct gc *gc, ducc_error **err)
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

/* Removes the public links of images at once; their metadata lets the next run find them. */
static int discard_names(struct gc *gc, ducc_error **err)
{
	AUTO_STRSET links = {NULL};

	for (size_t i = 0; i < gc->inventory.n_images; i++) {
		const struct published *image = &gc->inventory.images[i];
		const char *const paths[] = {image->name, image->label};

		for (size_t k = 0; gc->plan.removed[i] && k < ARRAY_LEN(paths); k++) {
			AUTO_FREE char *link = repository_read_link(&gc->repository, paths[k]);

			if (link && *image->manifest.hex)
				strset_add(&links, paths[k]);
		}
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
	if (begin(gc, err) < 0 || make_plan(gc, err) < 0 || check_plan(gc, err) < 0)
		return -1;
	context_notice(&gc->session->context, DUCC_INFO, "%s: full: %s are removed first",
		       gc->repository.name, last == GC_FLAT ? "flat root file systems" : "layers");
	if (discard_names(gc, err) < 0)
		return -1;
	for (enum gc_kind kind = GC_FLAT; kind <= last; kind++)
		if (discard_trees(gc, kind, err) < 0)
			return -1;
	return make_plan(gc, err) < 0 ? -1 : remove_first(gc, err);
}

/* Whether to go on without space: others can wait for it; until then, their names lead to all files. */
static bool is_full(const struct gc *gc, const ducc_error *error)
{
	return gc->images.find && gc->repository.target->discard &&
	       ducc_error_kind(error) == DUCC_NO_SPACE;
}

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
		if (begin(gc, err) < 0 || add_trees(gc, err) < 0 || commit(gc, add_trees, err) < 0)
			return error_wrap(err, "the next ducc-gc will complete it");
	}
	return 0;
}

/* Opens the repository, and begins a transaction unless this is a dry run. */
static int open_repository(struct gc *gc, ducc_error **err)
{
	const char *name = gc->session->repository;
	int found;

	for (size_t i = 0; i < gc->options.n_images && !gc->session->repository; i++) {
		const char *other = ducc_repository(gc->session, gc->options.images[i]);

		if (name && other && strcmp(name, other) != 0)
			return error_set(err, "records for several repositories, %s and %s: use -r",
					 name, other);
		name = other ? other : name;
	}
	if (!name)
		return session_no_repository(err);
	if (!gc->session->dry_run && session_open_store(gc->session, &gc->store, true, err) < 0)
		return -1;
	found = targets_open(&gc->repository, name, gc->session->store_path, err);
	if (found < 0)
		return -1;
	/* Before anything is written there.  From a new CernVM-FS repository there is nothing to remove. */
	if (gc->repository.target->created && targets_need_published(&gc->repository, err) < 0)
		return -1;
	if (!gc->session->dry_run && begin(gc, err) < 0)
		return -1;
	if (!gc->repository.path || gc->repository.metadata_only)
		return error_set(err, "repository %s: cannot be read here", name);
	return 0;
}

/* A list of a dry run may be one of images that are not published after all. */
static int check_records(const struct gc *gc, ducc_error **err)
{
	for (size_t i = 0; i < gc->options.n_images; i++) {
		const ducc_record *record = gc->options.images[i];

		if (dry_run_check(gc->session, record, err) < 0)
			return error_wrap(err, "nothing is changed: %s",
					  ducc_record_reference(record));
	}
	return 0;
}

/* What a run would remove that has no name. */
static int report_remains(const struct gc *gc, ducc_error **err)
{
	size_t n = 0;

	if (removes_remains(gc) &&
	    podman_count_remains(&n, &gc->repository, &gc->inventory, err) < 0)
		return -1;
	if (n)
		context_notice(&gc->session->context, DUCC_INFO,
			       "%s: %zu path%s in podmanStore that are in no list would be removed",
			       gc->repository.name, n, text_plural(n));
	return 0;
}

static int run(struct gc *gc, ducc_error **err)
{
	const struct ducc_gc_options *options = &gc->options;
	bool refused;

	if (check_records(gc, err) < 0 || gc_images_read(&gc->images, options, err) < 0)
		return -1;
	if (open_repository(gc, err) < 0 || make_plan(gc, err) < 0)
		return -1;
	gc_warn_of_unpublished(gc);
	refused = check_plan(gc, err) < 0;
	if (refused && !gc->session->dry_run)
		return -1;
	gc_report_plan(gc);
	gc_warn_of_lists(gc);
	if (gc->session->dry_run)
		return refused || report_remains(gc, err) < 0 ? -1 : check_missing(gc, err);
	if (remove_unwanted(gc, err) < 0)
		return -1;
	if (gc->plan.n_removed && remove_marked(gc, err) < 0)
		return -1;
	if (options->collect && gc->repository.target->collect &&
	    gc->repository.target->collect(&gc->repository, &gc->session->context, err) < 0)
		return -1;
	return check_missing(gc, err);
}

int ducc_gc(ducc_session *session, const struct ducc_gc_options *options, ducc_error **err)
{
	struct gc gc = {.session = session, .store = {.fd = -1}};
	int result = options_take(&gc.options, sizeof(gc.options), options, err);

	if (!result)
		result = run(&gc, err);
	if (result < 0)
		targets_advise(&gc.repository, session, err);
	transaction_end(gc.transaction);
	forget_plan(&gc);
	gc_images_free(&gc.images);
	wishes_of_others_free(&gc.others);
	repository_close(&gc.repository);
	store_close(&gc.store);
	return result;
}

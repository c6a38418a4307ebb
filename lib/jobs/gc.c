/*
 * The job of ducc-gc: removing images that are no longer wanted (ducc.h).
 *
 * It plans (gc_plan.h) and removes (gc_remove.c) in one transaction, so a publish never relies on
 * something that is being removed.
 */
#include "jobs/gc.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "format/repo_paths.h"
#include "jobs/dry_run.h"
#include "jobs/targets.h"
#include "podman/podman_remains.h"
#include "repo/target.h"

#define DAY ((time_t)86400)

/* --- the plan --------------------------------------------------------- */

static void forget_plan(struct gc *gc)
{
	inventory_free(&gc->inventory);
	schedule_free(&gc->schedule);
	gc_plan_free(&gc->plan);
	strset_free(&gc->staying);
	strset_free(&gc->going);
}

bool gc_is_gone(const struct gc *gc, const char *path)
{
	return repository_lacks(&gc->repository, path) && !inventory_has_name(&gc->inventory, path);
}

/* True for nonsense. */
static bool is_stale(void *ctx, const struct scheduled *scheduled)
{
	struct gc *gc = ctx;
	bool stale = schedule_is_future(scheduled, gc->now) ||
		     (!scheduled->removing && gc_is_gone(gc, scheduled->path));

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
enum gc_wanted gc_is_wanted(void *ctx, const char *name)
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

int gc_make_plan(struct gc *gc, ducc_error **err)
{
	struct gc_policy policy = {
		gc_is_wanted,     is_incomplete, gc, gc->marked || gc->images.some, 0,
		gc->options.grace};
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
int gc_check_plan(const struct gc *gc, ducc_error **err)
{
	const struct gc_plan *plan = &gc->plan;
	size_t allowed = (plan->n_names * gc->options.share + 99) / 100;
	bool new = plan->n_new_names >= plan->n_removed_names;
	size_t n = new ? plan->n_new_names : plan->n_removed_names;
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

/* After everything else: images to remove that are not published, or not alone. */
static int check_missing(const struct gc *gc, ducc_error **err)
{
	const struct strset *missing = &gc->images.missing, *shared = &gc->images.shared;
	AUTO_FREE char *list = missing->n ? gc_images_list(missing) : NULL;
	AUTO_FREE char *names = shared->n ? gc_images_list(shared) : NULL;

	if (names)
		return error_set(err,
				 "repository %s: not removed, because images for other platforms "
				 "have the same name: %s (give all their digests, or none)",
				 gc->repository.name, names);
	return list ? error_set_kind(err, DUCC_NOT_FOUND, "repository %s: not published: %s",
				     gc->repository.name, list)
		    : 0;
}

/* --- the job ---------------------------------------------------------- */

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
	if (!gc->session->dry_run && gc_begin(gc, err) < 0)
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

	if (gc_removes_remains(gc) &&
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
	if (open_repository(gc, err) < 0 || gc_make_plan(gc, err) < 0)
		return -1;
	gc_warn_of_unpublished(gc);
	refused = gc_check_plan(gc, err) < 0;
	if (refused && !gc->session->dry_run)
		return -1;
	gc_report_plan(gc);
	gc_warn_of_lists(gc);
	if (gc->session->dry_run)
		return refused || report_remains(gc, err) < 0 ? -1 : check_missing(gc, err);
	if (gc_remove(gc, err) < 0)
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

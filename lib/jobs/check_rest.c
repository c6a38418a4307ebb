/* Checking the schedule, and what no image needs: see check.h. */
#include <errno.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/entries.h"
#include "base/mem.h"
#include "base/path.h"
#include "format/repo_paths.h"
#include "jobs/check.h"
#include "repo/structure.h"

static void differs(struct check *check, const char *kind, const char *path, const char *found)
{
	bool broken = false; /* publishing an image again does not change it */

	check_differs(check, &broken, kind, NULL, path, NULL, found);
}

static void absent(struct check *check, const char *path)
{
	bool broken = false;

	check_absent(check, &broken, NULL, path, NULL);
}

/* Reports a directory whose entries could not be read, unless it does not exist. */
static void check_read(struct check *check, const char *path, const struct entries *entries)
{
	errno = entries->error;
	if (errno && !is_absence(errno))
		absent(check, path);
}

/* --- the schedule ----------------------------------------------------- */

/*
 * What is wrong with an entry, which exists or not; NULL: nothing.  An image may have lost its public
 * name.
 */
static const char *fault_of(const struct check *check, const struct scheduled *scheduled,
			    bool exists)
{
	struct digest digest;
	bool is_tree = repo_tree_at(scheduled->path, &digest) != REPO_TREE_NONE;
	bool is_image = !is_tree && inventory_has_name(&check->inventory, scheduled->path);

	if (schedule_is_future(scheduled, clock_now().tv_sec))
		return "unwanted since a time in the future";
	if (!is_tree && exists && !is_image)
		return "neither the name of an image nor a layer or flat root file system";
	if (!scheduled->removing && !exists && !is_image)
		return "does not exist";
	return NULL;
}

static void check_scheduled(struct check *check, const struct scheduled *scheduled)
{
	int found = repository_find(&check->repository, scheduled->path);
	const char *fault;

	if (found < 0) {
		absent(check, scheduled->path);
		return;
	}
	fault = fault_of(check, scheduled, found);
	if (fault)
		differs(check, DIFFERS_SCHEDULE, scheduled->path, fault);
}

/* Whatever image is published again mends the schedule, and directories that all share. */
static bool *any_image(struct check *check, bool *none)
{
	return check->n ? &check->images[0].broken : none;
}

int check_schedule(struct check *check, ducc_error **err)
{
	ducc_error *error = NULL;
	bool broken = false;
	int result = schedule_read(&check->schedule, &check->repository, &error);

	(void)err;
	check->unscheduled = result != 0;
	if (result < 0)
		check_error(check, &broken, NULL, REPO_SCHEDULE, error);
	if (result > 0)
		check_differs(check, any_image(check, &broken), DIFFERS_SCHEDULE, NULL,
			      REPO_SCHEDULE, NULL, "damaged, or not written by ducc");
	if (!result && repository_has(&check->repository, REPO_SCHEDULE))
		check_attributes(check, any_image(check, &broken), NULL, REPO_SCHEDULE);
	for (size_t i = 0; i < check->schedule.n; i++)
		check_scheduled(check, &check->schedule.entries[i]);
	return 0;
}

/* --- directories ------------------------------------------------------ */

/* Those above a public name: of an image.  Each is looked at once. */
struct parents {
	struct check *check;
	bool *broken;
	struct strset *seen;
};

static int report_closed(void *ctx, const char *path, mode_t mode, ducc_error **err)
{
	const struct parents *parents = ctx;
	AUTO_FREE char *expected = format("%04o", REPO_DIRECTORY_MODE);
	AUTO_FREE char *found = format("%04o", (unsigned)mode);

	(void)err;
	if (strset_add(parents->seen, path))
		check_differs(parents->check, parents->broken, DIFFERS_MODE, NULL, path, expected,
			      found);
	return 0;
}

static void report_failed(void *ctx, const char *path)
{
	const struct parents *parents = ctx;

	check_failed(parents->check, NULL, path, errno);
}

int check_structure(struct check *check, ducc_error **err)
{
	bool none;
	AUTO_STRSET seen = {NULL};
	struct parents parents = {check, any_image(check, &none), &seen};
	const struct structure structure = {&check->repository, report_closed, report_failed,
					    &parents};

	if (!check->options.n_images && structure_walk(&structure, err) < 0)
		return -1;
	for (size_t i = 0; i < check->n; i++) {
		parents.broken = &check->images[i].broken;
		if (structure_parents(&structure, check->images[i].published->name, err) < 0)
			return -1;
	}
	return 0;
}

/* --- what no image needs ---------------------------------------------- */

/*
 * Trees with a listing, but without an image, are complete: ducc-gc schedules them.  Those
 * without a listing are remains, unless they are on the schedule, or may be.
 */
static void check_unneeded(struct check *check, const struct digest_set *trees,
			   const struct strmap *needed, enum repo_tree kind)
{
	for (size_t i = 0; i < trees->n; i++) {
		const struct digest *digest = &trees->digests[i];
		AUTO_FREE char *path = NULL, *of = NULL;
		int found;

		if (strmap_get(needed, digest->hex))
			continue;
		path = repo_tree_directory(kind, digest);
		of = repo_tree_listing(kind, digest);
		found = repository_find(&check->repository, of);
		if (found < 0)
			absent(check, of);
		else if (!found && !check->unscheduled && !schedule_find(&check->schedule, path))
			differs(check, DIFFERS_ORPHAN, path, NULL);
	}
}

/* Other entries in .layers and .flat, which contain xx/HEX only. */
static void check_strangers(struct check *check, const char *top)
{
	AUTO_CLOSE int root = repository_root(&check->repository);
	AUTO_ENTRIES outer = entries_open(root, top);
	const char *xx, *name;

	while ((xx = entries_next(&outer))) {
		AUTO_FREE char *path = format("%s/%s", top, xx);
		AUTO_ENTRIES inner = entries_open(root, path);

		while ((name = entries_next(&inner))) {
			AUTO_FREE char *entry = format("%s/%s", path, name);

			if (strcmp(name, CATALOG_MARKER) != 0 &&
			    (!digest_is_hex(name) || strncmp(name, xx, strlen(xx)) != 0))
				differs(check, DIFFERS_ORPHAN, entry, NULL);
		}
		check_read(check, path, &inner);
	}
	check_read(check, top, &outer);
}

/* Listings of flat trees that do not exist: .metadata/.flat/xx/ID.mtree */
static void check_listings(struct check *check)
{
	AUTO_CLOSE int root = repository_root(&check->repository);
	AUTO_ENTRIES outer = entries_open(root, REPO_METADATA "/.flat");
	const char *xx, *name;

	while ((xx = entries_next(&outer))) {
		AUTO_FREE char *path = format(REPO_METADATA "/.flat/%s", xx);
		AUTO_ENTRIES inner = entries_open(root, path);

		while ((name = entries_next(&inner))) {
			AUTO_FREE char *entry = format("%s/%s", path, name);
			struct digest digest = {""};

			strncpy(digest.hex, name, DIGEST_HEX_LEN);
			AUTO_FREE char *listing = flat_listing(&digest);
			if (strcmp(entry, listing) != 0 ||
			    (!digest_set_has(&check->inventory.flats, &digest) &&
			     !strmap_get(&check->flats, digest.hex)))
				differs(check, DIFFERS_ORPHAN, entry, NULL);
		}
		check_read(check, path, &inner);
	}
	check_read(check, REPO_METADATA "/.flat", &outer);
}

int check_orphans(struct check *check, ducc_error **err)
{
	const struct inventory *inventory = &check->inventory;

	for (size_t i = 0; i < inventory->labels.n; i++) {
		AUTO_FREE char *path = format(REPO_METADATA "/%s", inventory->labels.list[i]);

		if (!inventory_find(inventory, inventory->labels.list[i]))
			differs(check, DIFFERS_ORPHAN, path, NULL);
	}
	/* An image with an unreadable manifest may need any of them. */
	if (!inventory->unclear)
		check_unneeded(check, &inventory->layers, &check->layers, REPO_TREE_LAYER);
	if (!inventory->unclear || !inventory->unclear_flat)
		check_unneeded(check, &inventory->flats, &check->flats, REPO_TREE_FLAT);
	check_strangers(check, REPO_LAYERS);
	check_strangers(check, REPO_FLAT);
	check_listings(check);
	return context_cancelled(&check->session->context) ? context_interrupted(err) : 0;
}

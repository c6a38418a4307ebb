/* Reporting what is removed, and when, in notices and events: see gc.h. */
#include <inttypes.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/text.h"
#include "format/json.h"
#include "format/repo_paths.h"
#include "jobs/events.h"
#include "jobs/gc.h"

/* The unpacked size of a layer, from its published metadata; 0: unknown. */
static uint64_t layer_size(const struct gc *gc, const struct digest *layer)
{
	AUTO_FREE char *path = layer_metadata(layer, "layers.json"), *data = NULL;
	AUTO_CLOSE int root = repository_root(&gc->repository);
	AUTO_JSON *json = NULL;
	uint64_t size = 0;
	size_t len;

	if (root < 0 || path_read(root, path, JSON_LIMIT, &data, &len, NULL) < 0)
		return 0;
	json = json_parse(data, len, path, NULL);
	return json && !json_get_size(json, "unpackedSize", &size, NULL) ? size : 0;
}

/* The day on which the item is to be removed, "2026-12-26", which the caller frees. */
static char *removal_day(const struct gc *gc, const struct gc_item *item)
{
	char *day = clock_format(item->since + (time_t)gc->options.grace);

	day[strcspn(day, "T")] = '\0';
	return day;
}

static void say_scheduled(const struct gc *gc, const struct gc_item *item)
{
	AUTO_FREE char *day = removal_day(gc, item);

	if (gc->options.scheduled && !gc->session->dry_run) {
		gc->options.scheduled(gc->options.ctx, item->path, day);
		return;
	}
	context_notice(&gc->session->context, DUCC_INFO,
		       "%s: no longer wanted, %sscheduled to be removed on %s", item->path,
		       gc->session->dry_run ? "would be " : "", day);
}

void gc_report_scheduled(const struct gc *gc)
{
	for (size_t i = 0; i < gc->plan.n; i++)
		if (gc->plan.items[i].is_new && !gc->plan.items[i].remove)
			say_scheduled(gc, &gc->plan.items[i]);
}

static void say_item(const struct gc *gc, const struct gc_item *item, uint64_t size)
{
	struct context *context = &gc->session->context;
	const char *would = gc->session->dry_run ? "would be " : "";
	AUTO_FREE char *since = clock_format(item->since), *day = removal_day(gc, item);

	if (item->remove && size)
		context_notice(context, DUCC_INFO,
			       "%s: %sremoved, not wanted since %s, %" PRIu64 " bytes", item->path,
			       would, since, size);
	else if (item->remove)
		context_notice(context, DUCC_INFO, "%s: %sremoved, not wanted since %s", item->path,
			       would, since);
	else if (!item->is_new)
		context_notice(context, DUCC_DEBUG, "%s: not wanted since %s, to be removed on %s",
			       item->path, since, day);
}

/*
 * Whoever keeps all images takes names off the schedule that are there because another list, that of
 * ducc-convert, does not have them.
 */
static void say_wanted_again(const struct gc *gc)
{
	for (size_t i = 0; i < gc->schedule.n; i++) {
		const char *path = gc->schedule.entries[i].path;

		if (!gc_plan_find(&gc->plan, GC_NAME, path) &&
		    !gc_plan_find(&gc->plan, GC_FLAT, path) &&
		    !gc_plan_find(&gc->plan, GC_LAYER, path) && !gc_is_gone(gc, path))
			context_notice(&gc->session->context,
				       gc->options.all && *path != '.' ? DUCC_WARNING : DUCC_INFO,
				       "%s: wanted again", path);
	}
}

static void say_spared(const struct gc *gc)
{
	AUTO_STRSET said = {NULL};
	bool expanded;

	for (size_t i = 0; i < gc->inventory.n_images; i++) {
		const char *name = gc->inventory.images[i].name;
		const struct wish *wish = gc_wish_of_others(gc, name, &expanded);

		if (wish && strset_add(&said, name))
			context_notice(&gc->session->context, DUCC_INFO,
				       "%s: not among those to keep, but wanted by %s", name,
				       wish->lists);
	}
}

void gc_report_plan(const struct gc *gc)
{
	size_t count[GC_LAYER + 1] = {0};
	uint64_t bytes = 0;

	for (size_t i = 0; i < gc->plan.n; i++) {
		const struct gc_item *item = &gc->plan.items[i];
		uint64_t size =
			item->kind == GC_LAYER && item->remove ? layer_size(gc, &item->digest) : 0;

		count[item->kind] += item->remove;
		bytes += size;
		say_item(gc, item, size);
	}
	if (gc->session->dry_run)
		gc_report_scheduled(gc);
	say_wanted_again(gc);
	say_spared(gc);
	context_notice(
		&gc->session->context, DUCC_INFO,
		"%s: %zu of %zu image%s, %zu flat root file system%s and %zu layer%s of %" PRIu64
		" bytes %sremoved",
		gc->repository.name, count[GC_NAME], gc->plan.n_names,
		text_plural(gc->plan.n_names), count[GC_FLAT], text_plural(count[GC_FLAT]),
		count[GC_LAYER], text_plural(count[GC_LAYER]), bytes,
		gc->session->dry_run ? "would be " : "");
}

void gc_warn_of_lists(const struct gc *gc)
{
	struct strmap wishes = {.values = NULL};

	if (gc->images.find)
		wishes_read(&wishes, gc->session->store_path, gc->repository.name);
	for (size_t i = 0; i < wishes.keys.n; i++) {
		const struct wish *wish = wishes.values[i];

		if (strset_has(&gc->images.unwanted, wishes.keys.list[i]))
			context_notice(&gc->session->context, DUCC_WARNING,
				       "%s: still on the list %s: the next ducc-convert publishes "
				       "it again",
				       wishes.keys.list[i], wish->lists);
	}
	wishes_free(&wishes);
}

void gc_warn_of_unpublished(const struct gc *gc)
{
	struct strset missing = {NULL};

	if (!gc->options.check || gc->images.find)
		return;
	if (gc->images.some && !gc->images.unwanted.n)
		context_notice(&gc->session->context, DUCC_WARNING,
			       "only wildcards are to be kept: all other images stay as they are");
	gc_images_unpublished(&gc->images, &gc->inventory, &missing);
	for (size_t i = 0; i < missing.n; i++)
		context_notice(&gc->session->context, DUCC_WARNING, "%s: not published",
			       missing.list[i]);
	strset_free(&missing);
}

void gc_report_removed(const struct gc *gc, const char *path)
{
	event(gc->session->events, "remove", "repository", gc->repository.name, "path", path);
	if (gc->options.removed)
		gc->options.removed(gc->options.ctx, path);
}

/* Checking Podman's store: see podman_check.h. */
#include "podman/podman_check.h"

#include <errno.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"
#include "content/compare.h"
#include "podman/podman_add.h"
#include "podman/podman_links.h"
#include "podman/podman_remains.h"

struct checking {
	const struct podman_check *check;
	struct podman *podman;
	struct podman_checked *images;
	size_t n;
	size_t outputs;       /* that have been compared */
	struct strset wanted; /* names, configs and layers of published images */
};

static void differs(const struct checking *checking, size_t i, const char *kind, const char *path,
		    const char *expected, const char *found)
{
	checking->check->differs(checking->check->ctx, i, kind, path, expected, found);
}

static void failed(const struct checking *checking, const char *path, int code)
{
	ducc_error *error = NULL;

	error_errno(&error, code, "%s", path);
	checking->check->failed(checking->check->ctx, path, error);
}

/* Reports what cannot be opened, with errno set. */
static void absent(const struct checking *checking, size_t i, const char *path,
		   const char *expected)
{
	if (is_absence(errno))
		differs(checking, i, DIFFERS_MISSING, path, expected, NULL);
	else if (is_wrong_type(errno))
		differs(checking, i, DIFFERS_TYPE, path, expected, NULL);
	else
		failed(checking, path, errno);
}

/* --- images ----------------------------------------------------------- */

static void check_link(const struct checking *checking, size_t i, const char *path,
		       const char *target)
{
	AUTO_FREE char *found = repository_read_link(checking->check->repository, path);

	if (!found && errno != EINVAL)
		absent(checking, i, path, target);
	else if (!found || !link_matches(found, target))
		differs(checking, i, DIFFERS_LINK, path, target, found);
}

static void check_output(const struct checking *checking, size_t i,
			 const struct podman_output *output)
{
	const struct repository *repository = checking->check->repository;
	if (output->link)
		check_link(checking, i, output->path, output->data);
	else if (repository_has_file(repository, output->path, output->data, output->len))
		checking->check->file(checking->check->ctx, i, output->path);
	else if (errno)
		absent(checking, i, output->path, NULL);
	else
		differs(checking, i, DIFFERS_CONTENT, output->path, NULL, NULL);
}

/* Finds the manifest that is listed with the name. */
static void find_manifest(const struct checking *checking, struct podman_checked *image)
{
	const cJSON *entry = strmap_get(&checking->podman->by_name, image->name);

	if (!image->named || !entry || !digest_parse(&image->listed, podman_list_manifest(entry)))
		image->listed = (struct digest){""};
}

/*
 * True if the name belongs to an image with the same config, but another manifest: then the
 * published manifest was changed.
 */
static bool is_other_manifest(const struct checking *checking, size_t i)
{
	const struct podman_checked *image = &checking->images[i];
	const cJSON *entry = strmap_get(&checking->podman->by_name, image->name);
	AUTO_FREE char *path = image_metadata(image->name, "manifest.json");

	if (!*image->listed.hex || digest_equal(&image->listed, image->image.digest) ||
	    strcmp(podman_list_config(entry), image->image.manifest->config.digest.hex) != 0)
		return false;
	differs(checking, i, DIFFERS_CONTENT, path, image->listed.hex, image->image.digest->hex);
	return true;
}

/* Adds the image again; whatever that changes is a difference. */
static void check_image(struct checking *checking, size_t i)
{
	struct podman *podman = checking->podman;
	struct podman_checked *image = &checking->images[i];
	struct context quiet = {.notice = NULL};

	find_manifest(checking, image);
	if (!image->image.manifest || is_other_manifest(checking, i))
		return;
	podman->images.changed = podman->layers.changed = false;
	image->image.again = true;
	podman_add(&quiet, podman, image->name, image->named, &image->image);
	if (podman->error) {
		checking->check->failed(checking->check->ctx, PODMAN_IMAGE_DIRECTORY,
					STEAL(podman->error));
		checking->outputs = podman->n;
		return;
	}
	if (podman->images.changed)
		differs(checking, i, DIFFERS_LIST, PODMAN_IMAGES, image->name, NULL);
	if (podman->layers.changed)
		differs(checking, i, DIFFERS_LIST, PODMAN_LAYERS, image->name, NULL);
	for (; checking->outputs < podman->n; checking->outputs++)
		check_output(checking, i, &podman->outputs[checking->outputs]);
}

/* The number of short names, with the first image: any that is published again writes it. */
static void check_count(const struct checking *checking)
{
	const struct repository *repository = checking->check->repository;
	AUTO_FREE char *count = podman_links_count(&checking->podman->links);
	int found = repository_find(repository, REPO_PODMAN_LINKS);

	if (found < 0)
		failed(checking, REPO_PODMAN_LINKS, errno);
	if (!checking->n || !count || found <= 0)
		return;
	if (repository_has_file(repository, PODMAN_COUNT, count, strlen(count)))
		checking->check->file(checking->check->ctx, 0, PODMAN_COUNT);
	else if (errno)
		absent(checking, 0, PODMAN_COUNT, NULL);
	else
		differs(checking, 0, DIFFERS_CONTENT, PODMAN_COUNT, NULL, NULL);
}

/* --- the rest --------------------------------------------------------- */

static void check_listed(const struct checking *checking, const cJSON *entry)
{
	const cJSON *name;

	if (!strset_has(&checking->wanted, podman_list_config(entry)))
		differs(checking, checking->n, DIFFERS_ORPHAN, PODMAN_IMAGES, NULL,
			podman_list_text(entry, "id"));
	cJSON_ArrayForEach(name, podman_list_names(entry))
	{
		if (!strset_has(&checking->wanted, name->valuestring))
			differs(checking, checking->n, DIFFERS_ORPHAN, PODMAN_IMAGES, NULL,
				name->valuestring);
	}
}

/*
 * The directory of each listed layer links to a published one.  Those of published images have
 * been checked.
 */
static void check_layer(const struct checking *checking, const cJSON *entry)
{
	const struct repository *repository = checking->check->repository;
	AUTO_FREE char *path = format(PODMAN_OVERLAY "/%s/diff", podman_list_text(entry, "id"));
	AUTO_FREE char *target = repository_read_link(repository, path);
	const char *layer = target ? strstr(target, REPO_LAYERS "/") : NULL;
	bool known = target || errno == EINVAL || is_absence(errno);

	if (strset_has(&checking->wanted, podman_list_text(entry, PODMAN_BLOB)))
		return;
	if (!known || (layer && repository_find(repository, layer) < 0))
		absent(checking, checking->n, path, NULL);
	else if (!layer || repository_lacks(repository, layer))
		differs(checking, checking->n, DIFFERS_LINK, path, NULL, target);
}

static void on_unlisted(void *ctx, const char *path, const char *target)
{
	const struct checking *checking = ctx;

	differs(checking, checking->n, DIFFERS_ORPHAN, path, NULL, target);
}

static void on_unread(void *ctx, const char *path)
{
	const struct checking *checking = ctx;

	absent(checking, checking->n, path, NULL);
}

/* The lists and their locks; any image that is published again writes them. */
static void check_lists(const struct checking *checking)
{
	static const char *const paths[] = {PODMAN_IMAGES, PODMAN_IMAGES_LOCK, PODMAN_LAYERS,
					    PODMAN_LAYERS_LOCK};

	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		if (repository_has(checking->check->repository, paths[i]))
			checking->check->file(checking->check->ctx, 0, paths[i]);
}

/* Lists that cannot be parsed concern all images, or else none. */
static void check_damage(const struct checking *checking, ducc_error *damage)
{
	for (size_t i = 0; i < (checking->n ? checking->n : 1); i++)
		differs(checking, i, DIFFERS_LIST, PODMAN_IMAGES, NULL, ducc_error_message(damage));
	ducc_error_free(damage);
}

static void check_rest(struct checking *checking, const struct inventory *inventory)
{
	const struct podman *podman = checking->podman;
	struct podman_visit visit = {on_unlisted, on_unread, checking};
	const cJSON *entry;

	podman_add_wanted(&checking->wanted, inventory);
	cJSON_ArrayForEach(entry, podman->images.entries) check_listed(checking, entry);
	cJSON_ArrayForEach(entry, podman->layers.entries) check_layer(checking, entry);
	podman_each_unlisted(podman, &visit);
}

void podman_check(const struct podman_check *check, struct podman_checked *images, size_t n,
		  const struct inventory *inventory)
{
	struct checking checking = {.check = check, .images = images, .n = n};
	ducc_error *err = NULL;

	checking.podman = podman_open(check->repository, &err);
	if (!checking.podman && error_is_failure(err)) {
		check->failed(check->ctx, PODMAN_IMAGES, err);
		return;
	}
	if (!checking.podman) {
		check_damage(&checking, err);
		return;
	}
	if (checking.podman->images.changed) /* with the first image: any writes the list */
		differs(&checking, 0, DIFFERS_LIST, PODMAN_IMAGES, NULL,
			"several images have the same name");
	check_count(&checking);
	check_lists(&checking);
	for (size_t i = 0; i < n; i++)
		check_image(&checking, i);
	if (checking.podman->links.error)
		check->failed(check->ctx, REPO_PODMAN_LINKS, STEAL(checking.podman->links.error));
	if (inventory)
		check_rest(&checking, inventory);
	strset_free(&checking.wanted);
	podman_free(checking.podman);
}

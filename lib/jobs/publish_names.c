/* Publishing the names of images, their metadata, and what lists them: see publish.h. */
#include "base/mem.h"
#include "base/path.h"
#include "format/repo_paths.h"
#include "jobs/publish.h"
#include "jobs/repair.h"
#include "jobs/wishes.h"
#include "podman/podman_add.h"
#include "repo/inventory.h"
#include "repo/public_names.h"
#include "repo/schedule.h"
#include "repo/structure.h"

/* --- metadata --------------------------------------------------------- */

/* The image's platform.json; NULL if its platform is unknown. */
static char *platform_file(const struct publish_image *image)
{
	AUTO_JSON *json = image->platform.architecture ? platform_to_json(&image->platform) : NULL;

	return json ? json_print(json, false) : NULL;
}

/* An earlier version did not publish the platform: then it matters only if the config names another. */
static bool has_platform(const struct publish *publish, const struct publish_image *image,
			 const char *label)
{
	AUTO_FREE char *path = image_metadata(label, PLATFORM_FILE);
	AUTO_FREE char *json = platform_file(image);

	return !json || repository_has_file(&publish->repository, path, json, strlen(json)) ||
	       (platform_same(&image->platform, &image->stored.config.platform) &&
		repository_lacks(&publish->repository, path));
}

/* True if the repository has this image's metadata under that label. */
static bool has_metadata(struct publish *publish, const struct publish_image *image,
			 const char *label)
{
	AUTO_FREE char *config = image_metadata(label, "config.json");
	AUTO_FREE char *listing = image_metadata(label, "rootfs.mtree");

	return published_has_manifest(&publish->repository, label, image->stored.manifest_json,
				      image->stored.manifest_len) &&
	       repository_has_file(&publish->repository, config, image->stored.config_json,
				   image->stored.config_len) &&
	       has_platform(publish, image, label) && repository_has(&publish->repository, listing);
}

/* True if the listing under that label is that of the flat tree, as published. */
static bool has_listing(struct publish *publish, const struct publish_image *image,
			const char *path)
{
	const struct digest *config = &image->stored.manifest.config.digest;
	AUTO_FREE char *directory = flat_directory(config), *flat = flat_listing(config);
	AUTO_FREE char *data = NULL;
	AUTO_CLOSE int root = repository_root(&publish->repository);
	size_t len;

	return !transaction_adds(publish->transaction, directory) && root >= 0 &&
	       !path_read(root, flat, SIZE_MAX, &data, &len, NULL) &&
	       repository_has_file(&publish->repository, path, data, len) &&
	       !repository_is_altered(&publish->repository, path);
}

static int prepare_metadata(struct publish *publish, const struct publish_image *image,
			    const char *label, ducc_error **err)
{
	AUTO_FREE char *manifest = image_metadata(label, "manifest.json");
	AUTO_FREE char *config = image_metadata(label, "config.json");
	AUTO_FREE char *listing = image_metadata(label, "rootfs.mtree");
	AUTO_FREE char *flat = flat_listing(&image->stored.manifest.config.digest);
	AUTO_FREE char *platform = image_metadata(label, PLATFORM_FILE);
	AUTO_FREE char *platform_json = platform_file(image);

	if (strset_has(&image->there, label))
		return 0;
	if ((platform_json && transaction_add_file(publish->transaction, platform, platform_json,
						   strlen(platform_json), err) < 0) ||
	    transaction_add_file(publish->transaction, manifest, image->stored.manifest_json,
				 image->stored.manifest_len, err) < 0 ||
	    transaction_add_file(publish->transaction, config, image->stored.config_json,
				 image->stored.config_len, err) < 0)
		return -1;
	if (image->again && has_listing(publish, image, listing))
		return 0;
	return transaction_add_hardlink(publish->transaction, listing, flat, err);
}

/* --- names ------------------------------------------------------------ */

static struct naming naming_of(const struct publish_image *image)
{
	return (struct naming){.name = image->name,
			       .platform = names_platform(&image->platform),
			       .of_config = names_platform(&image->stored.config.platform),
			       .config = &image->stored.manifest.config.digest,
			       .replaces = image->again};
}

/* 1 if all that the image consists of is published, and sound as far as is known; 0, or -1. */
static int has_trees(const struct publish *publish, const struct publish_image *image,
		     ducc_error **err)
{
	const struct manifest *manifest = &image->stored.manifest;
	int found = 1;

	for (size_t i = 0; found > 0 && i < manifest->n; i++) {
		const struct digest *layer = &manifest->layers[i].digest;

		found = publish_wants_again(publish, image, layer)
				? 0
				: repository_find_layer(&publish->repository, layer, err);
	}
	return found <= 0
		       ? found
		       : repository_find_flat(&publish->repository, &manifest->config.digest, err);
}

/* 1 if it is published, and complete.  If nothing has changed, no more than this is read. */
static int has_image(struct publish *publish, struct publish_image *image,
		     const struct naming *naming, ducc_error **err)
{
	AUTO_FREE char *other = platform_label(naming->platform, naming->name);

	strset_free(&image->there);
	if (image->again)
		return 0;
	if (has_metadata(publish, image, naming->name))
		strset_add(&image->there, naming->name);
	if (has_metadata(publish, image, other))
		strset_add(&image->there, other);
	return image->there.n ? has_trees(publish, image, err) : 0;
}

static void naming_end(struct naming *naming)
{
	free(naming->platform);
	free(naming->of_config);
	free(naming->label);
}

int publish_has_image(struct publish *publish, struct publish_image *image, ducc_error **err)
{
	struct naming naming = naming_of(image);
	int result = names_check(&publish->repository, &naming, err);

	if (!result)
		result = has_image(publish, image, &naming, err);
	naming_end(&naming);
	return result;
}

/* Lists an image for Podman, under its name if it is the first of its platforms; false: it was. */
static bool add_to_podman(struct publish *publish, struct podman *podman,
			  const struct publish_image *image, bool named)
{
	struct podman_image entry = {.manifest = &image->stored.manifest,
				     .manifest_json = image->stored.manifest_json,
				     .manifest_len = image->stored.manifest_len,
				     .digest = &image->stored.digest,
				     .config = &image->stored.config,
				     .config_json = image->stored.config_json,
				     .config_len = image->stored.config_len,
				     .unpacked = image->unpacked,
				     .again = image->again};

	return podman_add(&publish->session->context, podman, image->name, named, &entry);
}

/* True if an image is published again: what concerns no single image is repaired as well. */
static bool repairs(const struct publish *publish)
{
	for (size_t i = 0; i < publish->n; i++)
		if (!publish->errors[i] && publish->images[i].again)
			return true;
	return false;
}

/* True if no image is published that ducc-check could name. */
static bool is_bare(const struct repository *repository)
{
	AUTO_INVENTORY inventory = {NULL};

	return !inventory_read_names(&inventory, repository, NULL) && !inventory.n_images;
}

/* Podman's lists; if they are damaged, and none but images published again belong in them, empty ones. */
static struct podman *open_podman(struct publish *publish, ducc_error **err)
{
	const struct repository *repository = &publish->repository;
	ducc_error *error = NULL;
	struct podman *podman = podman_open(repository, &error);

	return podman ? podman
		      : podman_new(&publish->session->context, repository,
				   repairs(publish) || is_bare(repository), error, err);
}

/* True if exactly this manifest is published under the label. */
static bool has_manifest(const struct publish *publish, const struct publish_image *image,
			 const char *label)
{
	return strset_has(&image->there, label) ||
	       published_has_manifest(&publish->repository, label, image->stored.manifest_json,
				      image->stored.manifest_len);
}

/* Adds the metadata of an image, and lists it for Podman. */
static int prepare_name(struct publish *publish, struct publish_image *image,
			const struct naming *naming, struct podman *podman, ducc_error **err)
{
	size_t before = publish->transaction->steps;
	const char *label = naming->label;
	int result = 0;

	image->known = image->same = image->renamed = false;
	if (label) {
		AUTO_FREE char *there = image_metadata(label, "manifest.json");

		image->known = repository_has(&publish->repository, there);
		image->same = image->known && has_manifest(publish, image, label);
		result = prepare_metadata(publish, image, label, err);
	}
	if (label && !result)
		image->renamed =
			add_to_podman(publish, podman, image, !strcmp(label, naming->name));
	image->changed |= publish->transaction->steps != before;
	return result;
}

/* False if another image gets the name as well: then the links were not missing. */
static bool is_same_group(struct publish_image *const *images, size_t n,
			  const struct publish_image *image)
{
	for (size_t i = 0; i < n; i++)
		if (!images[i]->same && !strcmp(images[i]->name, image->name))
			return false;
	return true;
}

/* What an image that is published again has lost in Podman's store shows only now. */
static int save_podman(struct publish *publish, struct podman *podman, ducc_error **err)
{
	size_t before = publish->transaction->steps;
	int result = podman_save(podman, publish->transaction, err);

	for (size_t i = 0; i < publish->n; i++)
		publish->images[i].renamed |=
			publish->images[i].again && publish->transaction->steps != before;
	return result;
}

/* Adds the names and the metadata of the prepared images. */
static int prepare_names(struct publish *publish, ducc_error **err)
{
	AUTO_FREE struct naming *namings = xcalloc(publish->n, sizeof(*namings));
	AUTO_FREE struct publish_image **images =
		xcalloc(publish->n, sizeof(struct publish_image *));
	struct podman *podman = open_podman(publish, err);
	size_t n = 0;
	int result;

	if (!podman)
		return -1;
	for (size_t i = 0; i < publish->n; i++) {
		if (publish->errors[i])
			continue;
		images[n] = &publish->images[i];
		namings[n++] = naming_of(&publish->images[i]);
	}
	/* Names that are in the way of other images have made these fail before. */
	publish->transaction->replaces = repairs(publish);
	result = names_add(publish->transaction, namings, n, err);
	for (size_t i = 0; !result && i < n; i++)
		result = prepare_name(publish, images[i], &namings[i], podman, err);
	for (size_t i = 0; !result && i < n; i++) {
		images[i]->renamed |= namings[i].linked && is_same_group(images, n, images[i]);
		publish_report_plan(publish, images[i]);
	}
	if (!result)
		result = save_podman(publish, podman, err);
	podman_free(podman);
	for (size_t i = 0; i < n; i++)
		naming_end(&namings[i]);
	return result;
}

/* --- the removal schedule --------------------------------------------- */

static bool take(struct schedule *schedule, char *path)
{
	bool taken = schedule_take(schedule, path);

	free(path);
	return taken;
}

/*
 * Takes the images and their trees off the schedule: they are wanted now, so their grace
 * period begins anew even if they are unwanted again when ducc-gc next runs.
 */
static int prepare_schedule(struct publish *publish, ducc_error **err)
{
	struct schedule schedule;
	AUTO_FREE char *json = NULL;
	ducc_error *error = NULL;
	int damaged = schedule_read(&schedule, &publish->repository, &error);
	bool changed;

	if (damaged < 0 && (ducc_error_kind(error) != DUCC_DENIED || !repairs(publish)))
		return error_give(err, error);
	ducc_error_free(error);
	changed = repairs(publish) &&
		  (damaged || repository_is_altered(&publish->repository, REPO_SCHEDULE));
	for (size_t i = 0; i < publish->n && schedule.n; i++) {
		struct publish_image *image = &publish->images[i];

		if (publish->errors[i])
			continue;
		image->rescued = schedule_take(&schedule, image->name);
		if (image->rescued)
			context_notice(&publish->session->context, DUCC_INFO, "%s: wanted again",
				       image->name);
		changed |= image->rescued;
		changed |= take(&schedule, flat_directory(&image->stored.manifest.config.digest));
		for (size_t k = 0; k < image->stored.manifest.n; k++)
			changed |= take(&schedule,
					layer_directory(&image->stored.manifest.layers[k].digest));
	}
	json = changed ? schedule_print(&schedule, err) : NULL;
	schedule_free(&schedule);
	if (!json)
		return changed ? -1 : 0;
	return transaction_add_file(publish->transaction, REPO_SCHEDULE, json, strlen(json), err);
}

/* --- failures --------------------------------------------------------- */

/* True if a wildcard in the list, `pattern`, has selected the image. */
static bool is_selected(const struct publish_image *image, const struct reference *pattern)
{
	const char *wildcard = ducc_record_get(image->record, "wildcard");

	return wildcard && !strcmp(wildcard, "yes") && reference_matches(pattern, image->name);
}

/* True if the image with this name is published, or one that this wildcard has selected. */
static bool is_published(void *ctx, const char *name)
{
	const struct publish *publish = ctx;
	AUTO_REFERENCE pattern = {NULL};
	bool wildcard =
		!reference_parse_pattern(&pattern, name, NULL) && reference_is_pattern(&pattern);

	for (size_t i = 0; i < publish->n; i++) {
		const struct publish_image *image = &publish->images[i];

		if (publish->errors[i])
			continue;
		if (wildcard ? is_selected(image, &pattern) : !strcmp(image->name, name))
			return true;
	}
	return false;
}

/* --- directories ------------------------------------------------------ */

/* Opens those that ducc-check has found closed: it does not say which. */
static int prepare_structure(struct publish *publish, ducc_error **err)
{
	AUTO_FREE const char **names = xcalloc(publish->n, sizeof(*names));
	size_t before = publish->transaction->steps, n = 0;

	for (size_t i = 0; i < publish->n; i++)
		if (!publish->errors[i] && repair_has_names(publish->images[i].record))
			names[n++] = publish->images[i].name;
	if (n && structure_open(publish->transaction, names, n, err) < 0)
		return -1;
	for (size_t i = 0; i < publish->n; i++)
		publish->images[i].renamed |=
			publish->transaction->steps != before && publish->images[i].again;
	return 0;
}

/* The failures come last: they alone are no reason for a transaction. */
int publish_names(struct publish *publish, ducc_error **err)
{
	if (prepare_names(publish, err) < 0 || prepare_structure(publish, err) < 0 ||
	    prepare_schedule(publish, err) < 0)
		return -1;
	return wishes_publish(publish->session, publish->transaction, is_published, publish, err);
}

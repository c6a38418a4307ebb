/* Remains in Podman's store: see podman_remains.h. */
#include "podman/podman_remains.h"

#include <errno.h>

#include "base/buffer.h"
#include "base/entries.h"
#include "base/mem.h"
#include "base/path.h"
#include "podman/podman_name.h"

bool podman_has_lists(const struct repository *repository)
{
	return repository_has(repository, PODMAN_IMAGES) &&
	       repository_has(repository, PODMAN_LAYERS);
}

void podman_add_wanted(struct strset *wanted, const struct inventory *inventory)
{
	for (size_t i = 0; i < inventory->n_images; i++) {
		const struct published *image = &inventory->images[i];
		AUTO_FREE char *other = podman_name_to_podman(image->name);

		strset_add(wanted, image->name);
		if (other)
			strset_add(wanted, other);
		strset_add(wanted, published_flat(image)->hex);
		for (size_t k = 0; k < image->n_layers; k++)
			strset_add(wanted, image->layers[k].hex);
	}
	/* An image may have lost its name, until its flat tree is removed. */
	for (size_t i = 0; i < inventory->flats.n; i++)
		strset_add(wanted, inventory->flats.digests[i].hex);
}

bool podman_is_left(const struct podman *podman, const cJSON *image, const struct strset *wanted)
{
	const struct listed_layer *layer =
		strmap_get(&podman->layers.by_id, podman_list_text(image, "layer"));

	return layer && *podman_list_text(layer->entry, PODMAN_BLOB) &&
	       !strset_has(wanted, podman_list_config(image));
}

/* --- what is in no list ----------------------------------------------- */

/* Reports a directory whose entries could not be read. */
static void check_read(const struct podman_visit *visit, const char *path,
		       const struct entries *entries)
{
	errno = entries->error;
	if (errno && !is_absence(errno))
		visit->failed(visit->ctx, path);
}

/* Visits the directories in `path` that are not in the map, except `other`. */
static void visit_directories(const struct podman *podman, const struct podman_visit *visit,
			      const char *path, const struct strmap *listed, const char *other)
{
	AUTO_CLOSE int root = repository_root(podman->repository);
	AUTO_ENTRIES entries = entries_open(root, path);
	const char *name;

	while ((name = entries_next(&entries))) {
		AUTO_FREE char *entry = format("%s/%s", path, name);

		if (entries_type(&entries, name) == DT_DIR && !strmap_get(listed, name) &&
		    strcmp(name, other) != 0)
			visit->unlisted(visit->ctx, entry, NULL);
	}
	check_read(visit, path, &entries);
}

/* A short name must lead to a listed layer: ../ID/diff */
static void visit_short_names(const struct podman *podman, const struct podman_visit *visit)
{
	AUTO_CLOSE int root = repository_root(podman->repository);
	AUTO_ENTRIES entries = entries_open(root, PODMAN_OVERLAY "/l");
	const char *name;

	while ((name = entries_next(&entries))) {
		AUTO_FREE char *path = format(PODMAN_OVERLAY "/l/%s", name);
		AUTO_FREE char *target = repository_read_link(podman->repository, path);
		AUTO_FREE char *layer = NULL;

		if (!target && errno != EINVAL) {
			visit->failed(visit->ctx, path);
			continue;
		}
		layer = podman_layer_of_link(target);
		if (!strmap_get(&podman->layers.by_id, layer))
			visit->unlisted(visit->ctx, path, target);
	}
	check_read(visit, PODMAN_OVERLAY "/l", &entries);
}

void podman_each_unlisted(const struct podman *podman, const struct podman_visit *visit)
{
	visit_directories(podman, visit, PODMAN_IMAGE_DIRECTORY, &podman->images.by_id, "");
	visit_directories(podman, visit, PODMAN_OVERLAY, &podman->layers.by_id, "l");
	visit_short_names(podman, visit);
}

/* --- what can be removed ---------------------------------------------- */

struct search {
	const struct podman *podman;
	struct strset *paths;
	struct strset kept; /* configs and layers of published images that are in no list */
	ducc_error *error;
};

static void keep_unlisted_images(struct search *search, const struct inventory *inventory)
{
	AUTO_STRSET listed = {NULL};
	const cJSON *entry;

	cJSON_ArrayForEach(entry, search->podman->images.entries)
	{
		const char *manifest = podman_list_manifest(entry);

		strset_add(&listed, *manifest ? manifest : podman_list_config(entry));
	}
	for (size_t i = 0; i < inventory->n_images; i++) {
		const struct published *image = &inventory->images[i];
		AUTO_FREE char *manifest = format(PRI_DIGEST, image->manifest.hex);

		if (strset_has(&listed, manifest) || strset_has(&listed, image->flat.hex))
			continue;
		strset_add(&search->kept, image->flat.hex);
		for (size_t k = 0; k < image->n_layers; k++)
			strset_add(&search->kept, image->layers[k].hex);
	}
}

/* True for the directory of a layer in `overlay' whose files are those of a layer in .layers. */
static bool is_layer(struct search *search, const char *id)
{
	AUTO_FREE char *path = format(PODMAN_OVERLAY "/%s/diff", id);
	AUTO_FREE char *target = repository_read_link(search->podman->repository, path);
	const char *layer = target ? strstr(target, REPO_LAYERS "/") : NULL;
	const char *end = layer ? strrchr(layer, '/') : NULL;
	AUTO_FREE char *directory = end ? xstrndup(layer, (size_t)(end - layer)) : xstrdup("");
	struct digest digest;

	if (!target && !search->error && errno != EINVAL && !is_absence(errno))
		error_errno(&search->error, errno, "%s", path);
	return digest_is_hex(id) && repo_tree_at(directory, &digest) == REPO_TREE_LAYER &&
	       !strset_has(&search->kept, digest.hex);
}

/* A short name goes with the directory of its layer; or that is gone already. */
static bool is_name_of_remains(const struct search *search, const char *target)
{
	AUTO_FREE char *id = podman_layer_of_link(target);
	AUTO_FREE char *layer = format(PODMAN_OVERLAY "/%s", id);

	return digest_is_hex(id) && (strset_has(search->paths, layer) ||
				     repository_lacks(search->podman->repository, layer));
}

/* Called for directories first. */
static void on_unlisted(void *ctx, const char *path, const char *target)
{
	struct search *search = ctx;
	const char *name = strrchr(path, '/') + 1;
	bool is_image =
		!strncmp(path, PODMAN_IMAGE_DIRECTORY "/", strlen(PODMAN_IMAGE_DIRECTORY "/"));

	if (target ? is_name_of_remains(search, target)
		   : (is_image ? digest_is_hex(name) && !strset_has(&search->kept, name)
			       : is_layer(search, name)))
		strset_add(search->paths, path);
}

static void on_failure(void *ctx, const char *path)
{
	struct search *search = ctx;

	if (!search->error)
		error_errno(&search->error, errno, "%s", path);
}

int podman_find_remains(struct strset *paths, const struct podman *podman,
			const struct inventory *inventory, ducc_error **err)
{
	struct search search = {.podman = podman, .paths = paths};
	struct podman_visit visit = {on_unlisted, on_failure, &search};

	keep_unlisted_images(&search, inventory);
	podman_each_unlisted(podman, &visit);
	strset_free(&search.kept);
	return search.error ? error_give(err, search.error) : 0;
}

int podman_count_remains(size_t *n, const struct repository *repository,
			 const struct inventory *inventory, ducc_error **err)
{
	ducc_error *error = NULL;
	AUTO_STRSET paths = {NULL};
	struct podman *podman;
	int result;

	*n = 0;
	if (!podman_has_lists(repository))
		return 0;
	podman = podman_read(repository, &error);
	if (!podman)
		return error_pass_failure(err, error);
	result = podman_find_remains(&paths, podman, inventory, err);
	podman_free(podman);
	*n = paths.n;
	return result;
}

/* The model of Podman's store: see podman.h. */
#include "podman/podman.h"

#include <errno.h>

#include "base/mem.h"
#include "base/path.h"
#include "podman/go_json.h"
#include "podman/podman_name.h"

/* --- index ------------------------------------------------------------ */

static void index_image(struct podman *podman, cJSON *entry)
{
	const char *id = podman_list_text(entry, "id");
	struct listed_image *image = strmap_get(&podman->images.by_id, id);

	if (!image) {
		image = xcalloc(1, sizeof(*image));
		strmap_put(&podman->images.by_id, id, image);
	}
	image->entry = entry;
}

static void index_layer(struct podman *podman, cJSON *entry)
{
	const char *id = podman_list_text(entry, "id");
	struct listed_layer *first = strmap_get(&podman->layers.by_id, id);
	struct listed_layer *layer = xcalloc(1, sizeof(*layer));

	layer->entry = entry;
	if (first) {
		layer->same = first->same;
		first->same = layer;
	} else {
		strmap_put(&podman->layers.by_id, id, layer);
	}
}

static void free_layer(void *value)
{
	struct listed_layer *layer = value;

	while (layer) {
		struct listed_layer *same = layer->same;

		free(layer);
		layer = same;
	}
}

void podman_append_image(struct podman *podman, cJSON *entry)
{
	json_append(podman->images.entries, entry);
	index_image(podman, entry);
	podman->images.changed = true;
}

void podman_append_layer(struct podman *podman, cJSON *entry)
{
	json_append(podman->layers.entries, entry);
	index_layer(podman, entry);
	podman->layers.changed = true;
}

void podman_detach_image(struct podman *podman, cJSON *entry)
{
	struct listed_image *image =
		strmap_get(&podman->images.by_id, podman_list_text(entry, "id"));

	json_append(podman->detached, cJSON_DetachItemViaPointer(podman->images.entries, entry));
	if (image->entry == entry)
		image->entry = NULL;
	podman->images.changed = true;
}

void podman_detach_layer(struct podman *podman, struct listed_layer *layer)
{
	for (; layer; layer = layer->same) {
		cJSON_Delete(cJSON_DetachItemViaPointer(podman->layers.entries, layer->entry));
		layer->entry = NULL;
	}
	podman->layers.changed = true;
}

/* --- names ------------------------------------------------------------ */

static void lose_name(struct podman *podman, const cJSON *image, const char *name)
{
	cJSON *names = podman_list_names(image);
	cJSON *item = podman_list_find_string(names, name);
	struct listed_image *listed;

	if (!item)
		return; /* the name was dropped */
	for (; item; item = podman_list_find_string(names, name))
		cJSON_Delete(cJSON_DetachItemViaPointer(names, item));
	listed = strmap_get(&podman->images.by_id, podman_list_text(image, "id"));
	if (!podman_list_has_manifest(image))
		listed->forsaken = true;
	podman->images.changed = true;
}

void podman_claim_name(struct podman *podman, cJSON *image, const char *name)
{
	const cJSON *before = strmap_put(&podman->by_name, name, image);

	if (before && before != image)
		lose_name(podman, before, name);
}

void podman_drop_name(struct podman *podman, const char *name)
{
	const cJSON *image = strmap_get(&podman->by_name, name);

	if (image)
		lose_name(podman, image, name);
}

/* --- open and free ---------------------------------------------------- */

static struct podman *new (const struct repository *repository)
{
	struct podman *podman = xcalloc(1, sizeof(*podman));

	podman->repository = repository;
	podman->detached = json_array();
	return podman;
}

/* Reads a list; one that Podman cannot decode is damaged. */
static cJSON *read_list(const struct repository *repository, const char *path, ducc_error **err)
{
	AUTO_JSON *list = podman_list_read(repository, path, err);
	const cJSON *entry;
	size_t n = 0;

	cJSON_ArrayForEach(entry, list)
	{
		n++;
		if (go_json_check_listed(entry, err) < 0) {
			error_wrap(err, "%s: entry %zu", strrchr(path, '/') + 1, n);
			return NULL;
		}
	}
	return STEAL(list);
}

struct podman *podman_read(const struct repository *repository, ducc_error **err)
{
	struct podman *podman = new (repository);
	cJSON *entry;

	podman->images.entries = read_list(repository, PODMAN_IMAGES, err);
	if (podman->images.entries)
		podman->layers.entries = read_list(repository, PODMAN_LAYERS, err);
	if (!podman->layers.entries) {
		podman_free(podman);
		error_wrap(err, "podmanStore");
		return NULL;
	}
	cJSON_ArrayForEach(entry, podman->images.entries) index_image(podman, entry);
	cJSON_ArrayForEach(entry, podman->layers.entries) index_layer(podman, entry);
	return podman;
}

struct podman *podman_open(const struct repository *repository, ducc_error **err)
{
	struct podman *podman = podman_read(repository, err);
	cJSON *entry;
	const cJSON *name;

	if (!podman)
		return NULL;
	podman_links_read(&podman->links, repository, podman->layers.entries);
	podman->layers.changed = !repository_has(repository, PODMAN_LAYERS);
	cJSON_ArrayForEach(entry, podman->images.entries)
	{
		cJSON_ArrayForEach(name, podman_list_names(entry))
			podman_claim_name(podman, entry, name->valuestring);
	}
	return podman;
}

struct podman *podman_new(struct context *context, const struct repository *repository,
			  bool allowed, ducc_error *error, ducc_error **err)
{
	struct podman *podman;

	if (error_is_failure(error) || !allowed) {
		error_give(err, error);
		error_wrap(err, "Podman's lists cannot be read (try ducc-check --repair)");
		return NULL;
	}
	context_notice(context, DUCC_WARNING, "%s; it is written anew", ducc_error_message(error));
	ducc_error_free(error);
	podman = new (repository);
	podman_links_read(&podman->links, repository, podman->layers.entries);
	podman->images.entries = json_array();
	podman->layers.entries = json_array();
	podman->images.changed = podman->layers.changed = true;
	return podman;
}

void podman_free(struct podman *podman)
{
	if (!podman)
		return;
	podman_links_free(&podman->links);
	strmap_free_values(&podman->images.by_id, free);
	strmap_free_values(&podman->layers.by_id, free_layer);
	strmap_free(&podman->by_name);
	cJSON_Delete(podman->images.entries);
	cJSON_Delete(podman->layers.entries);
	cJSON_Delete(podman->detached);
	for (size_t i = 0; i < podman->n; i++) {
		free(podman->outputs[i].path);
		free(podman->outputs[i].data);
	}
	free(podman->outputs);
	ducc_error_free(podman->error);
	free(podman);
}

char *podman_read_link(struct podman *podman, const char *path)
{
	char *target = repository_read_link(podman->repository, path);

	if (!target && !podman->error && !is_wrong_type(errno) && !is_absence(errno))
		error_errno(&podman->error, errno, "%s", path);
	return target;
}

/* --- output ----------------------------------------------------------- */

static void add_output(struct podman *podman, bool link, char *path, const char *data, size_t len)
{
	GROW(podman->outputs, podman->n, podman->capacity);
	podman->outputs[podman->n++] = (struct podman_output){link, path, xmemdup(data, len), len};
}

void podman_add_file(struct podman *podman, char *path, const char *data, size_t len)
{
	add_output(podman, false, path, data, len);
}

void podman_add_link(struct podman *podman, char *path, const char *target)
{
	add_output(podman, true, path, target, strlen(target) + 1);
}

static int save_output(const struct podman_output *output, struct transaction *transaction,
		       ducc_error **err)
{
	return output->link ? transaction_add_symlink(transaction, output->path, output->data, err)
			    : transaction_add_file(transaction, output->path, output->data,
						   output->len, err);
}

static int mend_manifests(const struct podman *podman, struct transaction *transaction,
			  ducc_error **err)
{
	const cJSON *entry;

	cJSON_ArrayForEach(entry, podman->images.entries)
	{
		struct listed_image *image =
			strmap_get(&podman->images.by_id, podman_list_text(entry, "id"));
		const char *name = podman_list_first_name(entry);

		if (!image->forsaken || !name || !podman_name_is_valid(name))
			continue;
		if (podman_list_mend(entry, transaction, err) < 0)
			return -1;
		image->forsaken = false;
	}
	return 0;
}

static int save_layers(const struct podman *podman, struct transaction *transaction,
		       ducc_error **err)
{
	AUTO_FREE char *count = podman_links_count(&podman->links);

	if (count && transaction_add_file(transaction, PODMAN_COUNT, count, strlen(count), err) < 0)
		return -1;
	return podman_list_save_layers(podman->layers.entries, transaction, err);
}

int podman_save(const struct podman *podman, struct transaction *transaction, ducc_error **err)
{
	if (!podman->images.changed && !podman->again)
		return 0;
	if (podman->links.error || podman->error)
		return error_give(
			err, error_copy(podman->links.error ? podman->links.error : podman->error));
	for (size_t i = 0; i < podman->n; i++)
		if (save_output(&podman->outputs[i], transaction, err) < 0)
			return -1;
	if (mend_manifests(podman, transaction, err) < 0)
		return -1;
	if ((podman->layers.changed || podman->again) && save_layers(podman, transaction, err) < 0)
		return -1;
	return podman_list_save_images(podman->images.entries, transaction, err);
}

/* The images of a store: see list.h. */
#include <fcntl.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/path.h"
#include "jobs/list.h"
#include "store/index.h"

/* True if the store has a file for each layer. */
static bool has_all(const struct store *store, const struct listed *image,
		    char *(*file)(const struct digest *layer))
{
	for (size_t i = 0; i < image->n_layers; i++) {
		AUTO_FREE char *name = file(&image->layers[i].digest);

		if (!path_exists(store->fd, name))
			return false;
	}
	return true;
}

/* How much of the image is there, by the names of files. */
static const char *state_of(const struct store *store, const struct listed *image)
{
	AUTO_FREE char *listing = store_image_listing_name(&image->manifest);

	if (path_exists(store->fd, listing) && has_all(store, image, store_layer_tar_name) &&
	    has_all(store, image, store_layer_listing_name))
		return "unpacked";
	return has_all(store, image, store_blob_name) ? "fetched" : "partial";
}

static void read_image(struct list *list, struct listed *image)
{
	const struct store *store = &list->store;
	AUTO_FREE char *blob = store_blob_name(&image->manifest);
	AUTO_CLOSE int fd = path_open(store->fd, blob, O_PATH, 0);
	struct stored_image stored = {.manifest_json = NULL};
	ducc_error *error = NULL;
	struct stat st;

	if (fd >= 0 && !fstat(fd, &st))
		image->since = st.st_mtime;
	if (stored_image_read(&stored, store, &image->manifest, &error) < 0) {
		image->damaged = xstrdup(ducc_error_message(error));
	} else {
		list_take(image, &stored.manifest);
		image->state = xstrdup(state_of(store, image));
	}
	ducc_error_free(error);
	stored_image_free(&stored);
}

int list_store(struct list *list, ducc_error **err)
{
	struct store *store = &list->store;
	AUTO_JSON *index = NULL;
	cJSON *manifests, *entry;

	if (session_need_store(list->session, store, err) < 0)
		return -1;
	store->keep = true;
	index = store_index_get(store, &manifests, err);
	if (!index)
		return -1;
	list->read = read_image;
	cJSON_ArrayForEach(entry, manifests)
	{
		const char *name = json_annotation(entry, ANNOTATION_NAME);
		struct digest listed, manifest;
		struct listed *image;

		if (!name || !index_digests(entry, &listed, &manifest))
			continue;
		image = list_add(list, name);
		image->manifest = manifest;
		image->platform = platform_of_descriptor(entry);
	}
	return 0;
}

/* Removing from Podman's store: see podman_remove.h. */
#include "podman/podman_remove.h"

#include <errno.h>

#include "base/buffer.h"
#include "base/entries.h"
#include "base/mem.h"
#include "base/text.h"
#include "podman/podman.h"
#include "podman/podman_name.h"
#include "podman/podman_remains.h"

/* Marks of layers. */
enum {
	CANDIDATE = 1, /* used by an image to be removed */
	USED = 2,      /* used by a remaining one */
};

struct removal {
	const struct podman_gone *gone;
	struct transaction *transaction;
	struct podman *podman;
	bool remains;         /* they are removed, too */
	struct strset wanted; /* by published images, if they are */
	struct strset paths;  /* to be removed after the lists are saved */
};

/* --- images ----------------------------------------------------------- */

static bool is_gone(const struct removal *removal, const char *name)
{
	AUTO_FREE char *hub = podman_name_from_podman(name);

	return removal->gone->name(removal->gone->ctx, name) ||
	       (hub && repository_lacks(removal->transaction->repository, name) &&
		removal->gone->name(removal->gone->ctx, hub));
}

/* Removes unwanted names from an image; true if there were any. */
static bool remove_names(const struct removal *removal, const cJSON *image)
{
	cJSON *names = podman_list_names(image), *next;
	bool any = false;

	for (cJSON *name = names ? names->child : NULL; name; name = next) {
		next = name->next;
		if (!is_gone(removal, name->valuestring))
			continue;
		cJSON_Delete(cJSON_DetachItemViaPointer(names, name));
		any = true;
	}
	return any;
}

static void add_fate(const struct removal *removal, enum repo_tree kind, const char *hex,
		     enum podman_fate *fate)
{
	struct digest tree = {""};
	enum podman_fate own;

	if (!digest_is_hex(hex))
		return;
	memcpy(tree.hex, hex, DIGEST_HEX_LEN);
	own = removal->gone->tree(removal->gone->ctx, kind, &tree);
	if (own > *fate)
		*fate = own;
}

/* The fate of an image's flat tree and layers.  Parents may form a cycle. */
static enum podman_fate fate_of_trees(const struct removal *removal, const cJSON *image)
{
	const struct strmap *layers = &removal->podman->layers.by_id;
	const char *id = podman_list_text(image, "layer");
	const struct listed_layer *layer;
	enum podman_fate fate = PODMAN_STAYS;

	add_fate(removal, REPO_TREE_FLAT, podman_list_config(image), &fate);
	for (size_t i = 0; i < layers->keys.n && (layer = strmap_get(layers, id)); i++) {
		add_fate(removal, REPO_TREE_LAYER, podman_list_text(layer->entry, PODMAN_BLOB),
			 &fate);
		id = podman_list_text(layer->entry, "parent");
	}
	return fate;
}

/* True if the manifest of the image goes, although another image may have its config. */
static bool is_manifest_gone(const struct removal *removal, const cJSON *image)
{
	struct digest manifest;
	enum podman_fate fate, trees;

	if (!digest_parse(&manifest, podman_list_manifest(image)))
		return false;
	fate = removal->gone->manifest(removal->gone->ctx, &manifest);
	if (fate == PODMAN_STAYS)
		return false;
	trees = fate_of_trees(removal, image);
	return trees == PODMAN_GOES || (trees == PODMAN_STAYS && fate == PODMAN_GOES);
}

static void mark_top(const struct removal *removal, const cJSON *image, unsigned as)
{
	struct listed_layer *layer =
		strmap_get(&removal->podman->layers.by_id, podman_list_text(image, "layer"));

	if (layer)
		layer->marks |= as;
}

/* Removes the image, or its unwanted names, and marks its top layer. */
static int remove_image(struct removal *removal, cJSON *image, ducc_error **err)
{
	const char *id = podman_list_text(image, "id");
	AUTO_FREE char *directory = format(PODMAN_IMAGE_DIRECTORY "/%s", id);
	bool ours = digest_is_hex(id);
	bool left = removal->remains && podman_is_left(removal->podman, image, &removal->wanted);
	bool all = ours &&
		   (left || removal->gone->config(removal->gone->ctx, podman_list_config(image)) ||
		    is_manifest_gone(removal, image));

	if (!all && !remove_names(removal, image)) {
		mark_top(removal, image, USED);
		return 0;
	}
	removal->podman->images.changed = true;
	if (!all && (podman_list_first_name(image) || podman_list_has_manifest(image))) {
		mark_top(removal, image, USED);
		return podman_list_mend(image, removal->transaction, err);
	}
	mark_top(removal, image, CANDIDATE);
	podman_detach_image(removal->podman, image);
	if (ours)
		strset_add(&removal->paths, directory);
	return 0;
}

/* --- layers ----------------------------------------------------------- */

/*
 * Marks every layer below a marked one.  A layer that is listed several times may have
 * several parents, and parents may form a cycle.
 */
static void mark_below(const struct strmap *layers, unsigned as)
{
	AUTO_FREE struct listed_layer **marked = xcalloc(layers->keys.n, sizeof(*marked));
	size_t n = 0;

	for (size_t i = 0; i < layers->keys.n; i++) {
		struct listed_layer *layer = layers->values[i];

		if (layer->marks & as)
			marked[n++] = layer;
	}
	/* A layer is added once, when it is marked. */
	while (n) {
		for (const struct listed_layer *above = marked[--n]; above; above = above->same) {
			struct listed_layer *below =
				strmap_get(layers, podman_list_text(above->entry, "parent"));

			if (!below || below->marks & as)
				continue;
			below->marks |= as;
			marked[n++] = below;
		}
	}
}

static int remove_short_name(struct removal *removal, const char *name, const struct strset *ids,
			     ducc_error **err)
{
	AUTO_FREE char *path = format(PODMAN_OVERLAY "/l/%s", name), *id = NULL;
	AUTO_FREE char *target = repository_read_link(removal->transaction->repository, path);

	if (!target && errno != ENOENT && errno != EINVAL)
		return error_errno(err, errno, "%s", path);
	id = podman_layer_of_link(target);
	if (strset_has(ids, id))
		strset_add(&removal->paths, path);
	return 0;
}

/* Removes the short names of removed layers.  The original ducc gives a layer several of them. */
static int remove_short_names(struct removal *removal, const struct strset *ids, ducc_error **err)
{
	const struct repository *repository = removal->transaction->repository;
	AUTO_CLOSE int root = repository_root(repository);
	AUTO_ENTRIES entries = entries_open(root, PODMAN_OVERLAY "/l");
	const char *name;

	while (ids->n && (name = entries_next(&entries)))
		if (remove_short_name(removal, name, ids, err) < 0)
			return -1;
	if (ids->n && entries.error && entries.error != ENOENT)
		return error_errno(err, entries.error, PODMAN_OVERLAY "/l");
	return 0;
}

/* Removes the layers of removed images that no remaining image uses. */
static int remove_layers(struct removal *removal, ducc_error **err)
{
	const struct strmap *layers = &removal->podman->layers.by_id;
	AUTO_STRSET removed = {NULL};

	mark_below(layers, CANDIDATE);
	mark_below(layers, USED);
	for (size_t i = 0; i < layers->keys.n; i++) {
		const char *id = layers->keys.list[i];
		AUTO_FREE char *directory = format(PODMAN_OVERLAY "/%s", id);
		struct listed_layer *layer = layers->values[i];

		if (layer->marks != CANDIDATE || !digest_is_hex(id))
			continue;
		strset_add(&removal->paths, directory);
		strset_add(&removed, id);
		podman_detach_layer(removal->podman, layer);
	}
	return remove_short_names(removal, &removed, err);
}

/* An image leaves its list before the layers that it needs leave theirs, and the files follow. */
static int save(const struct removal *removal, ducc_error **err)
{
	const struct podman *podman = removal->podman;
	struct transaction *transaction = removal->transaction;

	if (podman->images.changed &&
	    podman_list_save_images(podman->images.entries, transaction, err) < 0)
		return -1;
	if (podman->layers.changed &&
	    podman_list_save_layers(podman->layers.entries, transaction, err) < 0)
		return -1;
	for (size_t i = 0; i < removal->paths.n; i++)
		if (transaction_remove(transaction, removal->paths.list[i], err) < 0)
			return -1;
	return 0;
}

static int find_remains(struct removal *removal, ducc_error **err)
{
	const struct transaction *transaction = removal->transaction;
	size_t before = removal->paths.n, n;

	if (podman_find_remains(&removal->paths, removal->podman, removal->gone->inventory, err) <
	    0)
		return -1;
	n = removal->paths.n - before;
	if (n)
		context_notice(transaction->context, DUCC_INFO,
			       "%s: removing %zu path%s in podmanStore that are in no list",
			       transaction->repository->name, n, text_plural(n));
	return 0;
}

static int remove_all(struct removal *removal, ducc_error **err)
{
	cJSON *next;

	if (removal->remains)
		podman_add_wanted(&removal->wanted, removal->gone->inventory);
	for (cJSON *image = removal->podman->images.entries->child; image; image = next) {
		next = image->next;
		if (remove_image(removal, image, err) < 0)
			return -1;
	}
	if (removal->podman->images.changed && remove_layers(removal, err) < 0)
		return -1;
	if (removal->remains && find_remains(removal, err) < 0)
		return -1;
	return save(removal, err);
}

int podman_remove(const struct podman_gone *gone, struct transaction *transaction, ducc_error **err)
{
	struct removal removal = {.gone = gone, .transaction = transaction};
	ducc_error *error = NULL;
	int result;

	removal.podman = podman_read(transaction->repository, &error);
	if (!removal.podman)
		removal.podman = podman_new(transaction->context, transaction->repository,
					    gone->all, error, err);
	if (!removal.podman)
		return -1;
	removal.remains = gone->inventory && podman_has_lists(transaction->repository);
	result = remove_all(&removal, err);
	podman_free(removal.podman);
	strset_free(&removal.wanted);
	strset_free(&removal.paths);
	return result < 0 ? error_wrap(err, "podmanStore") : 0;
}

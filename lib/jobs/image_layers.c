/* The current listings of an image's layers: see image_layers.h. */
#include "jobs/image_layers.h"

#include <errno.h>

#include "base/mem.h"
#include "content/merge.h"
#include "content/settle.h"
#include "content/unpacked.h"

int image_layers_open(const struct image_layers *layers, const struct digest *layer, bool *in_store,
		      ducc_error **err)
{
	AUTO_FREE char *name = store_layer_listing_name(layer);
	ducc_error *error = NULL;
	int fd = unpacked_open_listing(layers->store, name, &error);

	*in_store = fd >= 0;
	if (fd >= 0)
		return fd;
	if (error_pass_failure(err, error) < 0)
		return -1;
	fd = repository_open_listing(layers->repository, layer);
	return fd < 0 ? error_errno(err, errno, "listing of layer " PRI_DIGEST, layer->hex) : fd;
}

void image_layers_keep(const struct image_layers *layers, const struct listing_head *head,
		       struct tree *tree)
{
	AUTO_CLOSE int fd = repository_open_listing(layers->repository, &head->layer);
	struct listing_head there;
	AUTO_TREE *published = fd < 0 ? NULL : listing_read(fd, &there, NULL);
	struct node *root;

	if (!published || !digest_equal(&there.diff_id, &head->diff_id))
		return;
	root = tree_root(published);
	for (struct node *node = root; node; node = tree_next(root, node))
		node->stored = !node_is_whiteout(node) && !(node->flags & NODE_IMPLIED);
	settle_add_missing(tree, published);
}

struct digest image_layers_id(const struct digest *ids, size_t n)
{
	struct hasher *hasher = hasher_new();
	struct digest id;

	for (size_t i = 0; i < n; i++)
		hasher_update(hasher, ids[i].hex, sizeof(ids[i].hex));
	id = hasher_digest(hasher);
	hasher_free(hasher);
	return id;
}

/* True if these are the listings with which that of the image was made. */
static bool are_known(const struct image_layers *layers, const struct manifest *manifest,
		      const char *name)
{
	AUTO_FREE struct digest *ids = xcalloc(manifest->n, sizeof(*ids));
	AUTO_CLOSE int image = unpacked_open_listing(layers->store, name, NULL);
	struct listing_image recorded;
	struct digest now;

	if (image < 0 || !listing_image_of(image, &recorded))
		return false;
	for (size_t i = 0; i < manifest->n; i++) {
		bool in_store;
		AUTO_CLOSE int fd =
			image_layers_open(layers, &manifest->layers[i].digest, &in_store, NULL);

		if (fd >= 0)
			listing_id(fd, &ids[i]);
	}
	now = image_layers_id(ids, manifest->n);
	return digest_equal(&recorded.layers, &now);
}

/* Merges a layer; fails if it would need more entries. */
static int try_layer(const struct image_layers *layers, struct tree *image,
		     const struct digest *layer, ducc_error **err)
{
	bool in_store;
	ducc_error *error = NULL;
	AUTO_CLOSE int fd = image_layers_open(layers, layer, &in_store, &error);
	AUTO_TREE *tree = NULL;
	struct listing_head head;

	if (fd < 0 && error_pass_failure(err, error) < 0)
		return -1;
	if (fd < 0)
		return error_set_kind(err, DUCC_NOT_FOUND, "not unpacked (run ducc-unpack first)");
	tree = listing_read(fd, &head, err);
	if (!tree)
		return in_store ? -1 : repository_blame(layers->repository, layer, err);
	if (in_store)
		image_layers_keep(layers, &head, tree);
	settle_mark(tree, false);
	if (merge_layer(image, tree, NULL, err) < 0)
		return -1;
	return settle_has_additions(tree)
		       ? error_set_kind(err, DUCC_NOT_FOUND,
					"made anew for another image (run ducc-unpack again)")
		       : 0;
}

int image_layers_check(const struct image_layers *layers, const struct manifest *manifest,
		       const char *name, ducc_error **err)
{
	AUTO_TREE *image = NULL;

	if (are_known(layers, manifest, name))
		return 0;
	image = tree_new();
	for (size_t i = 0; i < manifest->n; i++)
		if (try_layer(layers, image, &manifest->layers[i].digest, err) < 0)
			return error_wrap(err, "layer " PRI_DIGEST, manifest->layers[i].digest.hex);
	return 0;
}

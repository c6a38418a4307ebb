/* Publishing the layers of an image: see publish.h. */
#include <errno.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/progress.h"
#include "content/differences.h"
#include "content/listing.h"
#include "content/placement.h"
#include "content/settle.h"
#include "content/unpacked.h"
#include "format/json.h"
#include "format/repo_paths.h"
#include "jobs/image_layers.h"
#include "jobs/publish.h"

static char *layer_json(const struct listing_head *head, const char *media_type)
{
	AUTO_JSON *json = json_object();
	AUTO_FREE char *digest = format(PRI_DIGEST, head->layer.hex);
	AUTO_FREE char *diff_id = format(PRI_DIGEST, head->diff_id.hex);

	json_set_string(json, "mediaType", media_type);
	json_set_string(json, "digest", digest);
	json_set_string(json, "diffID", diff_id);
	json_set_size(json, "size", head->size);
	json_set_size(json, "unpackedSize", head->unpacked);
	return json_print(json, true);
}

/* True if the listing has entries that are not in the published one. */
static bool has_more(struct tree *tree, const struct tree *published)
{
	struct node *root = tree_root(tree);
	AUTO_BUFFER path = {0};

	for (struct node *node = root; node; node = tree_next(root, node)) {
		if (!node_is_entry(node))
			continue;
		node_path(node, &path);
		if (!node_is_entry(tree_find(published, path.data)))
			return true;
	}
	return false;
}

/* Warns of implied directories that are published with the metadata of another image. */
static void report_differences(struct publish *publish, const struct digest *layer,
			       struct tree *tree, const struct tree *published)
{
	struct node *root = tree_root(tree);
	AUTO_FREE char *name = format("layer " PRI_DIGEST, layer->hex);
	AUTO_BUFFER path = {0};
	AUTO_DIFFERENCES differences = {0};

	for (struct node *node = root; node; node = tree_next(root, node)) {
		const struct node *there;

		if (!(node->flags & NODE_IMPLIED) || !node_is_dir(node))
			continue;
		node_path(node, &path);
		there = tree_find(published, path.data);
		if (node_is_dir(there) && !file_same_metadata(node->file, there->file))
			differences_add(&differences, DIFFERENT_METADATA, path.data);
	}
	differences_report(&differences, &publish->session->context, name, true);
}

/*
 * If the layer is published with entries where the symbolic links of another image lead them,
 * the flat tree has to take the files from there.
 */
static int find_moved(struct publish *publish, const struct digest *layer, struct tree *tree,
		      struct tree *published, struct strmap *moved, ducc_error **err)
{
	AUTO_FREE char *name = format("layer " PRI_DIGEST, layer->hex);
	AUTO_DIFFERENCES differences = {0};

	if (!placement_differs(tree, published, &differences))
		return 0;
	differences_report(&differences, &publish->session->context, name, true);
	return placement_map(tree, published, moved, err) < 0 ? -1 : 1;
}

/* Completes a published layer, which may need more whiteouts for this image. */
static int complete_layer(struct publish *publish, const struct listing_head *head,
			  struct tree *tree, struct strmap *moved, ducc_error **err)
{
	AUTO_CLOSE int fd = repository_open_listing(&publish->repository, &head->layer);
	AUTO_TREE *published = NULL, *complete = NULL;
	struct listing_head published_head;
	int result;

	if (fd < 0)
		return error_errno(err, errno, "published listing");
	published = listing_read(fd, &published_head, err);
	if (!published)
		return repository_blame(&publish->repository, &head->layer, err);
	result = find_moved(publish, &head->layer, tree, published, moved, err);
	if (result)
		return result < 0 ? -1 : 0;
	report_differences(publish, &head->layer, tree, published);
	if (!has_more(tree, published))
		return 0;
	/* Published entries stay as they are, whatever the store's listing has now. */
	if (lseek(fd, 0, SEEK_SET) == 0)
		complete = listing_read(fd, &published_head, err);
	if (!complete)
		return repository_blame(&publish->repository, &head->layer, err);
	settle_add_missing(complete, tree);
	tree_count_links(complete);
	/* So does the head of the listing, with which layers.json agrees. */
	return transaction_complete_layer(publish->transaction, &published_head, complete,
					  published, err);
}

/*
 * Reads a layer's listing in the store.  1, 0 if there is none and the layer is published, which
 * then needs nothing more, or -1.
 */
static int read_layer(struct publish *publish, const struct digest *layer, bool published,
		      struct listing_head *head, struct tree **tree, ducc_error **err)
{
	AUTO_FREE char *name = store_layer_listing_name(layer);
	ducc_error *error = NULL;

	*tree = unpacked_read_listing(&publish->store, name, head, &error);
	if (*tree)
		return 1;
	if (ducc_error_kind(error) != DUCC_NOT_FOUND)
		return error_give(err, error);
	ducc_error_free(error);
	return published ? 0
			 : error_set_kind(err, DUCC_NOT_FOUND,
					  "not unpacked (run ducc-unpack first)");
}

/* The transaction writes the layer now, or when it is committed, then for no image in particular. */
static void announce_layer(const struct publish *publish, const struct listing_head *head)
{
	AUTO_FREE char *name = format(PRI_DIGEST, head->layer.hex);
	struct progress progress = {.context = &publish->session->context,
				    .activity = DUCC_PUBLISHING,
				    .what = name,
				    .total = head->unpacked};

	progress_wait(&progress);
}

static int prepare_layer(struct publish *publish, struct publish_image *image, size_t i,
			 ducc_error **err)
{
	const struct descriptor *descriptor = &image->stored.manifest.layers[i];
	const struct digest *layer = &descriptor->digest;
	const struct image_layers layers = {&publish->store, &publish->repository};
	int published = publish_wants_again(publish, image, layer)
				? 0
				: repository_find_layer(&publish->repository, layer, err);
	AUTO_FREE char *directory = layer_directory(layer), *json = NULL;
	AUTO_TREE *tree = NULL;
	struct listing_head head;
	int found;

	if (published < 0 || transaction_adds(publish->transaction, directory))
		return published < 0 ? -1 : 0;
	found = read_layer(publish, layer, published, &head, &tree, err);
	if (found <= 0)
		return found;
	image->unpacked[i] = head.unpacked;
	if (published)
		return complete_layer(publish, &head, tree, &image->moved[i], err);
	image_layers_keep(&layers, &head, tree);
	context_notice(&publish->session->context, DUCC_DEBUG, "layer " PRI_DIGEST, layer->hex);
	json = layer_json(&head, descriptor->media_type);
	image->added[i] = true;
	known_consider(publish->known, image->name);
	known_match(publish->known, layer, tree);
	announce_layer(publish, &head);
	return transaction_add_layer(publish->transaction, &head, tree, json, err);
}

int publish_layers(struct publish *publish, struct publish_image *image, ducc_error **err)
{
	const struct image_layers layers = {&publish->store, &publish->repository};
	AUTO_FREE char *name = store_image_listing_name(&image->stored.digest);
	AUTO_STRSET seen = {NULL};

	for (size_t i = 0; i < image->stored.manifest.n; i++)
		if (publish_wants_again(publish, image, &image->stored.manifest.layers[i].digest))
			known_exclude(publish->known, &image->stored.manifest.layers[i].digest);
	for (size_t i = 0; i < image->stored.manifest.n; i++) {
		const struct digest *layer = &image->stored.manifest.layers[i].digest;

		if (context_cancelled(&publish->session->context))
			return context_interrupted(err);
		if (strset_add(&seen, layer->hex) && prepare_layer(publish, image, i, err) < 0)
			return error_wrap(err, "layer " PRI_DIGEST, layer->hex);
	}
	return image_layers_check(&layers, &image->stored.manifest, name, err);
}

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

/* A layer for an image. */
struct layer_job {
	const char *media_type;
	struct tree *below; /* the layers below, merged; NULL: the listing in the store is exact */
	bool repeated;      /* in the image */
	struct listing_head head;
	struct tree *tree;    /* the layer as the image needs it */
	struct strmap *moved; /* see struct publish_image */
};

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

/*
 * Warns of implied directories, and of hard links into lower layers, that are published as another
 * image has them.
 */
static void report_differences(struct publish *publish, const struct digest *layer,
			       struct tree *tree, const struct tree *published)
{
	struct node *root = tree_root(tree);
	AUTO_FREE char *name = format("layer " PRI_DIGEST, layer->hex);
	AUTO_BUFFER path = {0};
	AUTO_DIFFERENCES differences = {0};

	for (struct node *node = root; node; node = tree_next(root, node)) {
		const struct node *there;

		if (!node->lower_link && !(node->flags & NODE_IMPLIED && node_is_dir(node)))
			continue;
		node_path(node, &path);
		there = tree_find(published, path.data);
		if (node->lower_link && there && there->file && !file_same(node->file, there->file))
			differences_add(&differences, DIFFERENT_FILE, path.data);
		if (!node->lower_link && node_is_dir(there) &&
		    !file_same_metadata(node->file, there->file))
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

/*
 * What the transaction adds of a layer for an image that needs not all that its listing in the store
 * has, or other: for the images that follow.
 */
static int keep_added(struct publish *publish, const struct listing_head *head, struct tree *tree,
		      ducc_error **err)
{
	char *text;
	size_t len;

	tree_count_links(tree);
	if (listing_print(head, tree, &text, &len, err) < 0)
		return -1;
	free(strmap_put(&publish->layers, head->layer.hex, text));
	return 0;
}

/*
 * Completes a published layer, which may need more whiteouts and directories for this image.  It is
 * not as one image needs it anyway, so that it gets those of all others that are unpacked, too.
 */
static int complete_layer(struct publish *publish, struct layer_job *job, ducc_error **err)
{
	const struct digest *layer = &job->head.layer;
	const struct image_layers layers = {&publish->store, &publish->repository};
	AUTO_CLOSE int fd = repository_open_listing(&publish->repository, layer);
	AUTO_TREE *published = NULL, *complete = NULL, *stored = NULL;
	struct listing_head head, stored_head;
	int result;

	if (fd < 0)
		return error_errno(err, errno, "published listing");
	published = listing_read(fd, &head, err);
	if (!published)
		return repository_blame(&publish->repository, layer, err);
	result = find_moved(publish, layer, job->tree, published, job->moved, err);
	if (result)
		return result < 0 ? -1 : 0;
	report_differences(publish, layer, job->tree, published);
	if (!has_more(job->tree, published))
		return 0;
	/* Published entries stay as they are, whatever the store's listing has now. */
	if (lseek(fd, 0, SEEK_SET) == 0)
		complete = listing_read(fd, &head, err);
	if (!complete)
		return repository_blame(&publish->repository, layer, err);
	if (settle_add_missing(complete, job->tree, err) < 0)
		return -1;
	if (job->below && image_layers_read(&layers, layer, &stored_head, &stored, err) < 0)
		return -1;
	if (stored && settle_add_missing(complete, stored, err) < 0)
		return -1;
	tree_count_links(complete);
	/* So does the head of the listing, with which layers.json agrees. */
	if (transaction_complete_layer(publish->transaction, &head, complete, published, job->tree,
				       err) < 0)
		return -1;
	return job->below ? keep_added(publish, &head, complete, err) : 0;
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

/*
 * The layer is in the transaction, for another image.  If this one needs more entries in it, it is left
 * to the next transaction, in which the layer is published.
 */
static int check_added(struct publish *publish, const struct layer_job *job, ducc_error **err)
{
	const struct digest *layer = &job->head.layer;
	const struct image_layers layers = {&publish->store, &publish->repository};
	const char *text = strmap_get(&publish->layers, layer->hex);
	AUTO_TREE *added = NULL;
	struct listing_head head;

	if (text)
		added = listing_parse(text, &head, err);
	if (text ? !added : image_layers_read(&layers, layer, &head, &added, err) < 0)
		return -1;
	if (!added)
		return 0;
	report_differences(publish, layer, job->tree, added);
	publish->leaves |= has_more(job->tree, added);
	return 0;
}

/*
 * A layer that is published again keeps what other images need in it.  That of an image that nobody
 * wants to publish again fails if they would change.
 */
static int keep_published(struct publish *publish, const struct publish_image *image,
			  struct layer_job *job, ducc_error **err)
{
	const struct image_layers layers = {&publish->store, &publish->repository};
	int kept = image_layers_keep(&layers, &job->head, image->again, job->tree, err);

	if (!kept && !image->again) {
		error_set_kind(err, DUCC_CORRUPT,
			       "the layer has entries elsewhere than in this image");
		return repository_blame(&publish->repository, &job->head.layer, err);
	}
	if (!kept)
		context_notice(
			&publish->session->context, DUCC_WARNING,
			"layer " PRI_DIGEST ": published again with entries elsewhere, where "
			"symbolic links of this image lead; other images that stack the layer "
			"change",
			job->head.layer.hex);
	return kept < 0 ? -1 : 0;
}

static int add_layer(struct publish *publish, struct publish_image *image, struct layer_job *job,
		     ducc_error **err)
{
	const struct listing_head *head = &job->head;
	AUTO_FREE char *json = layer_json(head, job->media_type);

	if (keep_published(publish, image, job, err) < 0)
		return -1;
	context_notice(&publish->session->context, DUCC_DEBUG, "layer " PRI_DIGEST,
		       head->layer.hex);
	known_consider(publish->known, image->name);
	known_match(publish->known, &head->layer, job->tree);
	announce_layer(publish, head);
	if ((job->below || strmap_get(&publish->layers, head->layer.hex)) &&
	    keep_added(publish, head, job->tree, err) < 0)
		return -1;
	return transaction_add_layer(publish->transaction, head, job->tree, json, err);
}

/* The layer as this image needs it: 1; 0 if it is published and needs nothing more; or -1. */
static int read_layer(struct publish *publish, struct layer_job *job, const struct digest *layer,
		      bool published, ducc_error **err)
{
	const struct repository none = {.path = NULL};
	const struct image_layers layers = {&publish->store,
					    published ? &publish->repository : &none};
	int found;

	if (job->below) {
		job->tree = image_layers_settle(&layers, job->below, layer, job->repeated,
						&job->head, err);
		return job->tree ? 1 : -1;
	}
	found = image_layers_read(&layers, layer, &job->head, &job->tree, err);
	return found || published ? found
				  : error_set_kind(err, DUCC_NOT_FOUND,
						   "not unpacked (run ducc-unpack first)");
}

static int prepare_layer(struct publish *publish, struct publish_image *image, size_t i,
			 struct layer_job *job, bool first, ducc_error **err)
{
	const struct digest *layer = &image->stored.manifest.layers[i].digest;
	AUTO_FREE char *directory = layer_directory(layer);
	bool added = transaction_adds(publish->transaction, directory);
	int published = publish_wants_again(publish, image, layer)
				? 0
				: repository_find_layer(&publish->repository, layer, err);
	int found;

	if (published < 0)
		return -1;
	/* Of two images that need all that is in the store, the second needs nothing more. */
	if (added && !job->below && !strmap_get(&publish->layers, layer->hex))
		return 0;
	found = read_layer(publish, job, layer, published, err);
	if (found <= 0 || !first)
		return found < 0 ? -1 : 0;
	if (added)
		return check_added(publish, job, err);
	image->unpacked[i] = job->head.unpacked;
	if (published)
		return complete_layer(publish, job, err);
	image->added[i] = true;
	return add_layer(publish, image, job, err);
}

/* Unless the store's listings of all layers are exactly what the image needs, merges them for it. */
static int prepare_layers(struct publish *publish, struct publish_image *image, struct tree *below,
			  const struct strset *repeated, ducc_error **err)
{
	AUTO_STRSET seen = {NULL};

	for (size_t i = 0; i < image->stored.manifest.n; i++) {
		const struct descriptor *descriptor = &image->stored.manifest.layers[i];
		const char *hex = descriptor->digest.hex;
		bool first = strset_add(&seen, hex);
		struct layer_job job = {.media_type = descriptor->media_type,
					.below = below,
					.repeated = strset_has(repeated, hex),
					.moved = &image->moved[i]};
		int result = 0;

		if (context_cancelled(&publish->session->context))
			return context_interrupted(err);
		if (first || below)
			result = prepare_layer(publish, image, i, &job, first, err);
		tree_free(job.tree);
		if (result < 0)
			return error_wrap(err, "layer " PRI_DIGEST, hex);
	}
	return 0;
}

int publish_layers(struct publish *publish, struct publish_image *image, ducc_error **err)
{
	const struct image_layers layers = {&publish->store, &publish->repository};
	const struct manifest *manifest = &image->stored.manifest;
	AUTO_FREE char *name = store_image_listing_name(&image->stored.digest);
	bool exact = image_layers_are_exact(&layers, manifest, name);
	AUTO_TREE *below = exact ? NULL : tree_new();
	AUTO_STRSET seen = {NULL}, repeated = {NULL};

	for (size_t i = 0; i < manifest->n; i++) {
		const struct digest *layer = &manifest->layers[i].digest;

		if (publish_wants_again(publish, image, layer))
			known_exclude(publish->known, layer);
		if (!strset_add(&seen, layer->hex))
			strset_add(&repeated, layer->hex);
	}
	return prepare_layers(publish, image, below, &repeated, err);
}

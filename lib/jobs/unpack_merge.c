/* Settling the layers of an image, and merging them: see unpack.h. */
#include <errno.h>
#include <fcntl.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"
#include "content/listing_size.h"
#include "content/merge.h"
#include "content/placement.h"
#include "content/settle.h"
#include "content/unpacked.h"
#include "jobs/unpack.h"

/* --- layers that others change ---------------------------------------- */

/* Opens the listing of a layer that is not fresh, which others may have removed. */
static int open_listing(struct unpack *unpack, const struct digest *layer, bool *in_store,
			ducc_error **err)
{
	ducc_error *error = NULL;
	int fd = unpack_open_listing(unpack, layer, in_store, &error);

	if (fd >= 0)
		return fd;
	unpack->changed = ducc_error_kind(error) == DUCC_NOT_FOUND;
	return error_give(err, error);
}

/* Notes the digest of the listing; fails if it is another one than was `merged`. */
static int note_id(struct unpack *unpack, struct unpack_layer *layer, int listing,
		   const struct digest *merged, ducc_error **err)
{
	if (!unpack_note_id(layer, listing))
		return error_errno(err, errno, "listing");
	if (!merged || digest_equal(merged, &layer->first->id))
		return 0;
	unpack->changed = true;
	return error_set_kind(err, DUCC_BUSY, "others change it all the time");
}

/* --- settling layers on those below ----------------------------------- */

/* Appends the additions to the layer's tar, whose size is in its listing. */
static int append(const struct staged *tar, struct listing_head *head, struct tree *tree,
		  ducc_error **err)
{
	off_t size;

	if (settle_append(tar->fd, &head->layer, tree, err) < 0)
		return -1;
	size = lseek(tar->fd, 0, SEEK_END);
	if (size < 0)
		return error_errno(err, errno, "seek");
	head->unpacked = (uint64_t)size;
	return 0;
}

static int settle_fresh(struct unpack_layer *layer, struct tree *tree, ducc_error **err)
{
	if (layer->settled && !settle_has_additions(tree))
		return 0;
	layer->settled = true;
	if (append(&layer->tar, &layer->head, tree, err) < 0)
		return -1;
	return unpack_write_listing(&layer->listing, &layer->head, tree, err);
}

/* Commits the listing last: it marks the layer as complete. */
static int commit_fresh(struct unpack *unpack, struct unpack_layer *layer, ducc_error **err)
{
	if (note_id(unpack, layer, layer->listing.fd, NULL, err) < 0 ||
	    staged_commit(&layer->tar, err) < 0)
		return -1;
	return staged_commit(&layer->listing, err);
}

/* Who has the lock of a layer may need a slot to release it: waits for the lock without one. */
static int lock_layer(struct unpack *unpack, const struct unpack_layer *layer, struct staged *tar,
		      struct staged *listing, ducc_error **err)
{
	AUTO_FREE char *tar_name = store_layer_tar_name(&layer->head.layer);
	AUTO_FREE char *listing_name = store_layer_listing_name(&layer->head.layer);
	int result;

	slots_give(&unpack->session->slots);
	result = staged_begin(tar, &unpack->store, tar_name, false, err);
	if (!result)
		result = staged_begin(listing, &unpack->store, listing_name, false, err);
	slots_take(&unpack->session->slots, unpack->rank);
	return result;
}

/*
 * Opens the tar of a layer that is not fresh, under its lock; *fd is -1 if the layer is only published.
 * A tar that its listing shows to be incomplete is discarded: with additions, it would look complete.
 */
static int open_tar(struct unpack *unpack, struct unpack_layer *layer, int listing, int *fd,
		    ducc_error **err)
{
	const struct digest *digest = &layer->head.layer;
	bool in_store;
	int found = unpacked_has_tar(&unpack->store, digest, listing, err);

	if (found > 0)
		*fd = unpacked_open_tar(&unpack->store, digest, err);
	if (found)
		return *fd < 0 ? -1 : 0;
	unpacked_discard_part(&unpack->store, digest, listing);
	found = unpack_has_layer(unpack, layer, &in_store, err);
	if (found)
		return found < 0 ? -1 : 0;
	unpack->changed = true;
	return error_set_kind(err, DUCC_BUSY, "its tar is lost again and again");
}

/*
 * Adds the entries that this image needs to a layer that was unpacked before, and is as it was when
 * it was merged.  A new tar replaces the old one; a layer that is only published just gets a
 * listing, for ducc-publish.
 */
static int settle_again(struct unpack *unpack, struct unpack_layer *layer, ducc_error **err)
{
	const struct digest *digest = &layer->head.layer, merged = layer->id;
	AUTO_STAGED tar = STAGED_NONE;
	AUTO_STAGED listing = STAGED_NONE;
	AUTO_CLOSE int old_tar = -1;
	AUTO_TREE *tree = NULL;
	struct listing_head head;
	bool in_store;

	if (lock_layer(unpack, layer, &tar, &listing, err) < 0)
		return -1;
	/* Read now, under the lock. */
	AUTO_CLOSE int old_listing = open_listing(unpack, digest, &in_store, err);
	if (old_listing < 0 || note_id(unpack, layer, old_listing, &merged, err) < 0 ||
	    open_tar(unpack, layer, old_listing, &old_tar, err) < 0)
		return -1;
	tree = listing_read(old_listing, &head, err);
	if (!tree || context_check(&unpack->session->context, err) < 0)
		return -1;
	settle_mark(tree, false);
	if (settle_add_missing(tree, layer->additions, err) < 0)
		return -1;
	if (old_tar >= 0) {
		if (file_copy(old_tar, tar.fd, TO_THE_END) < 0)
			return error_errno(err, errno, "copy");
		if (append(&tar, &head, tree, err) < 0 || staged_commit(&tar, err) < 0)
			return -1;
	}
	if (unpack_write_listing(&listing, &head, tree, err) < 0 ||
	    note_id(unpack, layer, listing.fd, NULL, err) < 0)
		return -1;
	return staged_commit(&listing, err);
}

/*
 * Charges a merged layer for the entries that it needs in this image, explicit or implied,
 * but not for those added by other images, or by earlier occurrences in this image.
 */
static int charge_layer(struct unpack *unpack, struct unpack_layer *layer, struct tree *tree,
			ducc_error **err)
{
	struct node *root = tree_root(tree);
	AUTO_BUFFER path = {0};
	uint64_t size = 0;

	for (const struct node *node = root; node; node = tree_next(root, node)) {
		bool implied = node->flags & NODE_IMPLIED;
		const struct file *file = implied && node->peer ? node->peer->file : node->file;

		if (!node->needed && (implied || (!file && !node_is_whiteout(node))))
			continue;
		node_path(node, &path);
		size += listing_node_size(node, &path, file);
	}
	/* Earlier additions are merged again, even if they are not needed again. */
	if (layer->charged < size)
		layer->charged = size;
	return quota_take(&unpack->merged, layer->charged, err);
}

/*
 * Settles a layer on those below it.  A fresh one is committed if it does not occur again; what others
 * need is collected, see complete_others().
 */
static int settle(struct unpack *unpack, struct unpack_layer *layer, struct tree **tree,
		  ducc_error **err)
{
	layer->left--;
	if (layer->fresh) {
		if (settle_fresh(layer, *tree, err) < 0)
			return -1;
		return layer->left ? 0 : commit_fresh(unpack, layer, err);
	}
	if (!settle_has_additions(*tree))
		return 0;
	if (layer->additions)
		return settle_add_missing(layer->additions, *tree, err);
	layer->additions = STEAL(*tree);
	return 0;
}

/*
 * Completes the layers that were unpacked before, once all fresh ones are committed: another process
 * may hold the lock of one of these, and wait for a fresh one, which is no news for its repository.
 */
static int complete_others(struct unpack *unpack, ducc_error **err)
{
	for (size_t i = 0; i < unpack->n; i++) {
		struct unpack_layer *layer = &unpack->layers[i];

		if (!layer->additions)
			continue;
		if (settle_again(unpack, layer, err) < 0)
			return error_wrap(err, "layer " PRI_DIGEST, layer->head.layer.hex);
		tree_free(STEAL(layer->additions));
	}
	return 0;
}

/* --- merging ---------------------------------------------------------- */

static void report_differences(const struct unpack *unpack, const struct digest *layer,
			       const struct differences *differences)
{
	AUTO_FREE char *name = format("layer " PRI_DIGEST, layer->hex);

	differences_report(differences, &unpack->session->context, name, false);
}

/*
 * Reads the current listing of a layer and checks that it matches the manifest.  A repeated layer is
 * merged from the same listing each time.
 */
static struct tree *read_listing(struct unpack *unpack, struct unpack_layer *layer,
				 ducc_error **err)
{
	bool fresh = layer->first->listing.fd >= 0, in_store = true;
	AUTO_CLOSE int other =
		fresh ? -1 : open_listing(unpack, &layer->head.layer, &in_store, err);
	const struct digest merged = layer->first->id;
	int fd = fresh ? layer->first->listing.fd : other;
	AUTO_TREE *tree = NULL;
	struct listing_head head;

	if (fd < 0)
		return NULL;
	if (!fresh && note_id(unpack, layer, fd, layer == layer->first ? NULL : &merged, err) < 0)
		return NULL;
	tree = listing_read(fd, &head, err);
	if (!tree) {
		if (!in_store)
			repository_blame(&unpack->repository, &layer->head.layer, err);
		return NULL;
	}
	if (unpack_check_size(head.size, layer, err) < 0)
		return NULL;
	if (!digest_equal(&head.diff_id, &layer->head.diff_id)) {
		error_set_kind(err, DUCC_CORRUPT,
			       "diff ID mismatch: content is " PRI_DIGEST
			       ", config has " PRI_DIGEST,
			       head.diff_id.hex, layer->head.diff_id.hex);
		return NULL;
	}
	return STEAL(tree);
}

/* Reads a fresh layer again, on top of those below: links lead its entries elsewhere. */
static struct tree *read_again(struct unpack *unpack, struct unpack_layer *layer, ducc_error **err)
{
	if (lseek(layer->tar.fd, 0, SEEK_SET) < 0 || ftruncate(layer->tar.fd, 0) < 0) {
		error_errno(err, errno, "write");
		return NULL;
	}
	context_notice(&unpack->session->context, DUCC_DEBUG,
		       "unpacking layer " PRI_DIGEST " on those below, for symbolic links",
		       layer->head.layer.hex);
	return unpack_read_blob(unpack, layer, unpack->image, err);
}

/*
 * The tree of a layer, to be merged and settled.  *placed is set to another one to be merged
 * instead if links lead entries elsewhere than in the image for which it was settled.
 */
static struct tree *place_layer(struct unpack *unpack, struct unpack_layer *layer,
				struct tree **placed, struct differences *differences,
				ducc_error **err)
{
	bool fresh = layer->first->fresh && !layer->first->settled;
	AUTO_TREE *tree = NULL;

	if (fresh && layer->outcome.links)
		return read_again(unpack, layer, err);
	tree = layer->tree ? STEAL(layer->tree) : read_listing(unpack, layer, err);
	if (!tree || placement_holds(unpack->image, tree, fresh))
		return STEAL(tree);
	if (fresh) {
		tree_free(STEAL(tree));
		return read_again(unpack, layer, err);
	}
	*placed = placement_anew(unpack->image, tree, differences, err);
	return *placed ? STEAL(tree) : NULL;
}

static int merge_one(struct unpack *unpack, struct unpack_layer *layer, ducc_error **err)
{
	uint64_t most = limits_get(&unpack->session->limits, LIMIT_IMAGE_ENTRIES, 0);
	AUTO_DIFFERENCES differences = {0};
	AUTO_TREE *placed = NULL;
	AUTO_TREE *tree = place_layer(unpack, layer, &placed, &differences, err);
	struct tree *merged = placed ? placed : tree;
	int result;

	if (!tree)
		return -1;
	settle_mark(tree, layer->first->fresh && !layer->first->settled);
	result = merge_layer(unpack->image, merged, err);
	report_differences(unpack, &layer->head.layer, &differences);
	if (result < 0 || charge_layer(unpack, layer->first, merged, err) < 0)
		return -1;
	unpack->exact &= !placed && settle_is_exact(tree);
	if (tree_count(unpack->image) > most)
		return limits_exceeded(LIMIT_IMAGE_ENTRIES, most, err);
	return settle(unpack, layer->first, &tree, err);
}

static int merge_all(struct unpack *unpack, ducc_error **err)
{
	AUTO_FREE char *name = store_image_listing_name(&unpack->stored.digest);
	AUTO_STAGED listing = STAGED_NONE;
	struct listing_image head = {.manifest = unpack->stored.digest};

	unpack->image = tree_new();
	unpack->exact = true;
	for (size_t i = 0; i < unpack->n; i++)
		if (merge_one(unpack, &unpack->layers[i], err) < 0)
			return error_wrap(err, "layer " PRI_DIGEST,
					  unpack->layers[i].head.layer.hex);
	merge_finish(unpack->image);
	if (complete_others(unpack, err) < 0)
		return -1;
	if (staged_begin(&listing, &unpack->store, name, false, err) < 0)
		return -1;
	head.layers = unpack_layers_id(unpack);
	head.exact = unpack->exact;
	if (listing_write_image(listing.fd, &head, unpack->image) < 0)
		return error_errno(err, errno, "%s", name);
	return staged_commit(&listing, err);
}

int unpack_merge(struct unpack *unpack, ducc_error **err)
{
	int result;

	slots_take(&unpack->session->slots, unpack->rank);
	result = merge_all(unpack, err);
	slots_give(&unpack->session->slots);
	return result;
}

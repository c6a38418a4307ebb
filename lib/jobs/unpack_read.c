/* Reading the layers of an image: see unpack.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/path.h"
#include "base/progress.h"
#include "content/layer.h"
#include "content/listing_size.h"
#include "content/unpacked.h"
#include "jobs/events.h"
#include "jobs/unpack.h"

/* Bytes of trees in a session, counted as in listing_size.h: enough for about 300,000 files. */
#define KEEP_LIMIT ((uint64_t)128 << 20)

/* --- the layers to be read -------------------------------------------- */

/* Discards the listing of a layer in the store if its content is damaged. */
static void check_listing(const struct unpack *unpack, const struct digest *layer)
{
	AUTO_FREE char *name = store_layer_listing_name(layer);
	AUTO_CLOSE int fd = unpacked_open_listing(&unpack->store, name, NULL);

	if (fd >= 0)
		unpacked_check_listing(&unpack->store, name, fd, NULL);
}

/* Discards a tar that its listing shows to be incomplete; call it under their locks. */
static void discard_tar(const struct unpack *unpack, const struct digest *layer)
{
	bool in_store;
	AUTO_CLOSE int listing = unpack_open_listing(unpack, layer, &in_store, NULL);

	if (listing >= 0 && in_store)
		unpacked_discard_part(&unpack->store, layer, listing);
}

/* Stages a layer that is to be read. */
static int stage_layer(struct unpack *unpack, struct unpack_layer *layer, ducc_error **err)
{
	const struct digest *digest = &layer->head.layer;
	AUTO_FREE char *tar = store_layer_tar_name(digest);
	AUTO_FREE char *listing = store_layer_listing_name(digest);

	bool in_store;
	int found;

	check_listing(unpack, digest);
	found = unpack_has_layer(unpack, layer, &in_store, err);
	if (found)
		return found < 0 ? -1 : 0;
	if (staged_begin(&layer->tar, &unpack->store, tar, false, err) < 0 ||
	    staged_begin(&layer->listing, &unpack->store, listing, false, err) < 0)
		return -1;
	found = unpack_has_layer(unpack, layer, &in_store, err); /* while we waited for the locks */
	if (found < 0)
		return -1;
	layer->fresh = !found;
	if (layer->fresh) {
		discard_tar(unpack, digest);
		return 0;
	}
	staged_discard(&layer->tar);
	staged_discard(&layer->listing);
	return 0;
}

/*
 * Stages the layers to be read, in the order of their digests to avoid deadlocks between
 * processes.
 */
static int stage_layers(struct unpack *unpack, ducc_error **err)
{
	for (size_t i = 0; i < unpack->n; i++) {
		struct unpack_layer *layer = unpack->sorted[i];

		if (layer->first == layer && stage_layer(unpack, layer, err) < 0)
			return -1;
	}
	return 0;
}

/* --- reading them ----------------------------------------------------- */

/* The progress of a layer, whose name the caller keeps. */
static struct progress layer_progress(const struct unpack *unpack, const struct unpack_layer *layer,
				      const char *name)
{
	return (struct progress){.context = &unpack->session->context,
				 .activity = DUCC_UNPACKING,
				 .what = name,
				 .total = layer->head.size};
}

int unpack_check_size(uint64_t actual, const struct unpack_layer *layer, ducc_error **err)
{
	if (actual == layer->head.size)
		return 0;
	return error_set_kind(err, DUCC_CORRUPT,
			      "size mismatch: %" PRIu64 " bytes instead of %" PRIu64, actual,
			      layer->head.size);
}

int unpack_write_listing(struct staged *listing, const struct listing_head *head, struct tree *tree,
			 ducc_error **err)
{
	if (lseek(listing->fd, 0, SEEK_SET) < 0 || ftruncate(listing->fd, 0) < 0)
		return error_errno(err, errno, "write");
	tree_count_links(tree);
	if (listing_write(listing->fd, head, tree) < 0)
		return error_errno(err, errno, "write");
	return 0;
}

/* True if the layer is merged before all others that are fresh. */
static bool is_next(const struct unpack *unpack, const struct unpack_layer *layer)
{
	for (const struct unpack_layer *below = unpack->layers; below < layer; below++)
		if (below->fresh)
			return false;
	return true;
}

/*
 * Reserves memory for the tree of a layer; false if there is not enough.  One that is merged next may
 * be larger than the limit, if no other such tree is kept.
 */
static bool keep_tree(struct unpack *unpack, const struct unpack_layer *layer)
{
	ducc_session *session = unpack->session;
	uint64_t size = layer->outcome.listing;

	if (atomic_fetch_add(&session->kept, size) + size <= KEEP_LIMIT) {
		atomic_fetch_add(&unpack->kept, size);
		return true;
	}
	atomic_fetch_sub(&session->kept, size);
	if (!is_next(unpack, layer) || atomic_exchange(&session->kept_one, true))
		return false;
	unpack->kept_one = true;
	return true;
}

struct tree *unpack_read_blob(struct unpack *unpack, struct unpack_layer *layer, struct tree *below,
			      ducc_error **err)
{
	AUTO_FREE char *name = format(PRI_DIGEST, layer->head.layer.hex);
	AUTO_CLOSE int blob = store_open_blob(&unpack->store, &layer->head.layer, err);
	struct progress progress = layer_progress(unpack, layer, name);
	struct layer_source source = {.fd = blob,
				      .head = &layer->head,
				      .limits = &unpack->session->limits,
				      .image = &unpack->bytes,
				      .image_listing = &unpack->written,
				      .below = below,
				      .slots = &unpack->session->slots,
				      .progress = progress_move,
				      .ctx = &progress};
	struct tree *tree;
	struct stat st;

	if (blob < 0)
		return NULL;
	if (fstat(blob, &st) < 0) {
		error_errno(err, errno, "stat");
		return NULL;
	}
	if (unpack_check_size((uint64_t)st.st_size, layer, err) < 0)
		return NULL;
	layer_uncharge(&source, &layer->outcome);
	tree = layer_read(&source, layer->tar.fd, &layer->outcome, err);
	progress_end(&progress);
	if (!tree && !layer->outcome.links)
		error_kind(err, DUCC_CORRUPT);
	return tree;
}

static int read_layer(struct unpack *unpack, struct unpack_layer *layer, ducc_error **err)
{
	AUTO_TREE *tree = unpack_read_blob(unpack, layer, NULL, err);

	if (!tree)
		return layer->outcome.links ? 0 : -1;
	if (keep_tree(unpack, layer))
		layer->tree = STEAL(tree);
	else if (unpack_write_listing(&layer->listing, &layer->head, tree, err) < 0)
		return -1;
	context_notice(&unpack->session->context, DUCC_DEBUG, "unpacked layer " PRI_DIGEST,
		       layer->head.layer.hex);
	return 0;
}

/*
 * If a layer cannot be read because its blob in the store is damaged, discards that: the next
 * ducc-fetch downloads it again.  Anything else is a fault of the image.
 */
static void blame_blob(struct unpack *unpack, const struct unpack_layer *layer, ducc_error **err)
{
	enum ducc_error_kind kind = ducc_error_kind(*err);
	ducc_error *damage = NULL;

	if ((kind != DUCC_CORRUPT && kind != DUCC_LIMIT) ||
	    context_cancelled(&unpack->session->context) ||
	    !store_verify_blob(&unpack->store, &layer->head.layer, &damage))
		return;
	ducc_error_free(*err);
	*err = damage;
}

static int read_in_turn(struct unpack *unpack, struct unpack_layer *layer, ducc_error **err)
{
	AUTO_FREE char *reference = reference_format(&unpack->reference);
	struct span span;
	int result;

	if (atomic_load(&unpack->failed))
		return 0;
	span_begin(&span, unpack->session->events, "layer_conversion", reference,
		   &layer->head.layer);
	span_tell(&span);
	result = read_layer(unpack, layer, err);
	if (result < 0)
		blame_blob(unpack, layer, err);
	span_end(&span, result, layer->head.size, err);
	if (!result)
		return 0;
	atomic_store(&unpack->failed, true);
	staged_discard(&layer->tar);
	staged_discard(&layer->listing);
	return error_wrap(err, "layer " PRI_DIGEST, layer->head.layer.hex);
}

/* Reads a layer when its turn comes. */
static int read_one(void *ctx, size_t i, ducc_error **err)
{
	struct unpack *unpack = ctx;
	struct slots *slots = &unpack->session->slots;
	int result;

	if (!unpack->layers[i].fresh)
		return 0;
	slots_take(slots, unpack->rank);
	slots_unwant(slots, 1);
	result = read_in_turn(unpack, &unpack->layers[i], err);
	slots_give(slots);
	return result;
}

static void announce_layers(const struct unpack *unpack)
{
	for (size_t i = 0; i < unpack->n; i++) {
		const struct unpack_layer *layer = &unpack->layers[i];
		AUTO_FREE char *name = format(PRI_DIGEST, layer->head.layer.hex);
		struct progress progress = layer_progress(unpack, layer, name);

		if (!layer->fresh)
			continue;
		slots_want(&unpack->session->slots, 1);
		progress_wait(&progress);
	}
}

int unpack_read(struct unpack *unpack, ducc_error **err)
{
	if (stage_layers(unpack, err) < 0)
		return -1;
	announce_layers(unpack);
	return parallel_run(unpack->n, unpack->session->jobs, read_one, unpack, err);
}

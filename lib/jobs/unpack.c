/*
 * The job of ducc-unpack: unpacking a fetched image into layer tars and listings (ducc.h).
 *
 * First the layers that are not unpacked yet are read, several in parallel; their files stay
 * staged.  Then all layers are merged, the lowest first, which shows what each of them takes
 * from those below; that is added to the tars, and only then do they get their names.
 *
 * The trees of layers just read stay in memory until they are merged, up to a total of
 * KEEP_LIMIT; those of the others are read back from their listings, one at a time.
 *
 * An image may contain a layer several times.  Its listing is merged each time, but its
 * tar is copied at most once, after the last time.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/entries.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/path.h"
#include "content/extract.h"
#include "content/layer.h"
#include "content/listing.h"
#include "content/listing_size.h"
#include "content/merge.h"
#include "content/placement.h"
#include "content/quota.h"
#include "content/settle.h"
#include "content/unpacked.h"
#include "format/image.h"
#include "jobs/events.h"
#include "jobs/image_layers.h"
#include "jobs/repair.h"
#include "jobs/session.h"
#include "jobs/stored_image.h"
#include "jobs/targets.h"
#include "repo/repository.h"
#include "store/staged.h"

/* Bytes of trees, counted as in listing_size.h: enough for about 300,000 files. */
#define KEEP_LIMIT ((uint64_t)128 << 20)

struct layer {
	struct listing_head head;
	struct staged tar, listing; /* fresh: not finished */
	bool fresh;
	struct tree *tree;            /* fresh: not merged or listed yet; or NULL */
	struct layer_outcome outcome; /* fresh: of reading it */

	/* The lowest layer with the same blob, usually this one.  Only that one uses the rest. */
	struct layer *first;
	size_t left;            /* how many times the blob must still be merged */
	uint64_t charged;       /* bytes of listing, the last time */
	bool settled;           /* fresh, and merged before */
	struct digest id;       /* of its listing, as the image needs it; empty: it has none */
	struct tree *additions; /* not fresh: the layer with its additions, or NULL */
};

struct unpack {
	ducc_session *session;
	const ducc_record *record;
	struct store store;
	struct repository repository; /* path NULL: none, or it does not exist yet */
	struct reference reference;
	struct stored_image stored;
	struct layer *layers;  /* as in the manifest */
	struct layer **sorted; /* by digest, the lowest of equal ones first */
	size_t n;
	struct tree *image;

	atomic_bool failed;           /* a layer could not be read */
	atomic_uint spare;            /* jobs without a layer, which help others with theirs */
	_Atomic uint64_t kept;        /* bytes of trees of fresh layers in memory */
	struct quota bytes;           /* of new layers, unpacked */
	struct quota written, merged; /* bytes of listings, new and merged */
};

/* --- the image in the store ------------------------------------------- */

static int by_digest(const void *a, const void *b)
{
	const struct layer *x = *(struct layer *const *)a, *y = *(struct layer *const *)b;
	int order = strcmp(x->head.layer.hex, y->head.layer.hex);

	return order ? order : (x > y) - (x < y);
}

/* Sorts the layers and finds equal ones.  Returns their compressed bytes, each counted once. */
static uint64_t sort_layers(struct unpack *unpack)
{
	uint64_t compressed = 0;

	unpack->sorted = xcalloc(unpack->n, sizeof(struct layer *));
	for (size_t i = 0; i < unpack->n; i++)
		unpack->sorted[i] = &unpack->layers[i];
	qsort(unpack->sorted, unpack->n, sizeof(*unpack->sorted), by_digest);
	for (size_t i = 0; i < unpack->n; i++) {
		struct layer *layer = unpack->sorted[i];
		struct layer *before = i ? unpack->sorted[i - 1] : NULL;

		if (before && digest_equal(&before->head.layer, &layer->head.layer)) {
			layer->first = before->first;
		} else {
			layer->first = layer;
			compressed = compressed > INT64_MAX - layer->head.size
					     ? INT64_MAX
					     : compressed + layer->head.size;
		}
		layer->first->left++;
	}
	return compressed;
}

static int list_layers(struct unpack *unpack, ducc_error **err)
{
	const struct ducc_limits *limits = &unpack->session->limits;
	uint64_t most = limits_get(limits, LIMIT_LAYERS, 0), compressed;

	if (unpack->stored.manifest.n > most)
		return limits_exceeded(LIMIT_LAYERS, most, err);
	unpack->n = unpack->stored.manifest.n;
	unpack->layers = xcalloc(unpack->n, sizeof(*unpack->layers));
	for (size_t i = 0; i < unpack->n; i++) {
		struct layer *layer = &unpack->layers[i];

		layer->head =
			(struct listing_head){.layer = unpack->stored.manifest.layers[i].digest,
					      .diff_id = unpack->stored.config.diff_ids[i],
					      .size = unpack->stored.manifest.layers[i].size};
		layer->tar = layer->listing = (struct staged)STAGED_NONE;
	}
	for (size_t i = 0; i < unpack->n; i++)
		if (unpack->layers[i].head.size > INT64_MAX)
			return error_set(err, "layer " PRI_DIGEST ": impossible size",
					 unpack->layers[i].head.layer.hex);
	compressed = sort_layers(unpack);
	quota_begin(&unpack->bytes, limits, LIMIT_IMAGE, compressed);
	quota_begin(&unpack->written, limits, LIMIT_IMAGE_LISTING, compressed);
	quota_begin(&unpack->merged, limits, LIMIT_IMAGE_LISTING, compressed);
	return 0;
}

static int open_image(struct unpack *unpack, const ducc_record *record, ducc_error **err)
{
	const char *repository = ducc_repository(unpack->session, record);
	struct digest manifest;

	if (session_need_store(unpack->session, &unpack->store, err) < 0 ||
	    (repository &&
	     targets_open(&unpack->repository, repository, unpack->session->store_path, err) < 0) ||
	    session_find_image(unpack->session, &unpack->store, record, &unpack->reference,
			       &manifest, err) < 0 ||
	    stored_image_read(&unpack->stored, &unpack->store, &manifest, err) < 0)
		return -1;
	return list_layers(unpack, err);
}

/* --- layers that are unpacked already --------------------------------- */

/* True if the repository has the layer, and it need not be published again. */
static bool is_published(const struct unpack *unpack, const struct digest *layer)
{
	return repository_has_layer(&unpack->repository, layer) &&
	       !repair_has(unpack->record, layer);
}

/* The current listing of a layer; -1 if there is none, or it is to be published again. */
static int open_listing(const struct unpack *unpack, const struct digest *layer, bool *in_store)
{
	const struct image_layers layers = {&unpack->store, &unpack->repository};
	int fd = image_layers_open(&layers, layer, in_store);

	if (fd >= 0 && !*in_store && repair_has(unpack->record, layer)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Notes the digest of the listing of a layer. */
static void note_id(struct layer *layer, int listing)
{
	if (!listing_id(listing, &layer->first->id))
		layer->first->id = (struct digest){""};
}

/* The digest of all of them. */
static struct digest layers_id(const struct unpack *unpack)
{
	AUTO_FREE struct digest *ids = xcalloc(unpack->n, sizeof(*ids));

	for (size_t i = 0; i < unpack->n; i++)
		ids[i] = unpack->layers[i].first->id;
	return image_layers_id(ids, unpack->n);
}

/* Discards the listing of a layer in the store if its content is damaged. */
static void check_listing(const struct unpack *unpack, const struct digest *layer)
{
	AUTO_FREE char *name = store_layer_listing_name(layer);
	AUTO_CLOSE int fd = unpacked_open_listing(&unpack->store, name, NULL);

	if (fd >= 0)
		unpacked_check_listing(&unpack->store, name, fd, NULL);
}

/* True if the layer need not be read: its content is in the store or published. */
static bool is_unpacked(const struct unpack *unpack, struct layer *layer)
{
	const struct digest *digest = &layer->head.layer;
	bool in_store;
	AUTO_CLOSE int listing = open_listing(unpack, digest, &in_store);

	if (listing < 0)
		return false;
	note_id(layer, listing);
	return (in_store && unpacked_has_tar(&unpack->store, digest, listing)) ||
	       is_published(unpack, digest);
}

/* True if nothing is to do: the image was merged from these listings of its layers. */
static bool is_complete(const struct unpack *unpack)
{
	AUTO_FREE char *name = store_image_listing_name(&unpack->stored.digest);
	AUTO_CLOSE int listing = unpacked_open_listing(&unpack->store, name, NULL);
	struct digest recorded, now;

	if (listing < 0)
		return false;
	for (size_t i = 0; i < unpack->n; i++)
		if (!is_unpacked(unpack, &unpack->layers[i]))
			return false;
	now = layers_id(unpack);
	return listing_layers_of(listing, &recorded) && digest_equal(&recorded, &now);
}

/* --- reading layers --------------------------------------------------- */

/* Discards a tar that its listing shows to be incomplete; call it under their locks. */
static void discard_tar(const struct unpack *unpack, const struct digest *layer)
{
	AUTO_FREE char *tar = store_layer_tar_name(layer);
	bool in_store;
	AUTO_CLOSE int listing = open_listing(unpack, layer, &in_store);

	if (in_store && path_exists(unpack->store.fd, tar))
		store_discard(&unpack->store, tar, -1, "its size is not that in its listing");
}

/* Stages a layer that is to be read. */
static int stage_layer(struct unpack *unpack, struct layer *layer, ducc_error **err)
{
	const struct digest *digest = &layer->head.layer;
	AUTO_FREE char *tar = store_layer_tar_name(digest);
	AUTO_FREE char *listing = store_layer_listing_name(digest);

	check_listing(unpack, digest);
	if (is_unpacked(unpack, layer))
		return 0;
	if (staged_begin(&layer->tar, &unpack->store, tar, false, err) < 0 ||
	    staged_begin(&layer->listing, &unpack->store, listing, false, err) < 0)
		return -1;
	layer->fresh = !is_unpacked(unpack, layer); /* while we waited for the locks */
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
		struct layer *layer = unpack->sorted[i];

		if (layer->first == layer && stage_layer(unpack, layer, err) < 0)
			return -1;
	}
	return 0;
}

struct layer_progress {
	ducc_session *session;
	const char *name;
	uint64_t size;
};

static void on_progress(void *ctx, uint64_t done)
{
	const struct layer_progress *progress = ctx;

	context_progress(&progress->session->context, progress->name, done, progress->size);
}

/* Rejects a wrong size, because the defaults of limits depend on it. */
static int check_size(uint64_t actual, const struct layer *layer, ducc_error **err)
{
	if (actual == layer->head.size)
		return 0;
	return error_set_kind(err, DUCC_CORRUPT,
			      "size mismatch: %" PRIu64 " bytes instead of %" PRIu64, actual,
			      layer->head.size);
}

static int write_listing(struct staged *listing, const struct listing_head *head, struct tree *tree,
			 ducc_error **err)
{
	if (lseek(listing->fd, 0, SEEK_SET) < 0 || ftruncate(listing->fd, 0) < 0)
		return error_errno(err, errno, "write");
	tree_count_links(tree);
	if (listing_write(listing->fd, head, tree) < 0)
		return error_errno(err, errno, "write");
	return 0;
}

/* Reserves memory for a tree of so many bytes; false if there is not enough. */
static bool keep_tree(struct unpack *unpack, uint64_t size)
{
	if (atomic_fetch_add(&unpack->kept, size) + size <= KEEP_LIMIT)
		return true;
	atomic_fetch_sub(&unpack->kept, size);
	return false;
}

/* Reads the blob of a fresh layer; NULL with *err set, or if it must be read on those below. */
static struct tree *read_blob(struct unpack *unpack, struct layer *layer, struct tree *below,
			      ducc_error **err)
{
	AUTO_FREE char *name = format(PRI_DIGEST, layer->head.layer.hex);
	AUTO_CLOSE int blob = store_open_blob(&unpack->store, &layer->head.layer, err);
	struct layer_progress progress = {unpack->session, name, layer->head.size};
	struct layer_source source = {.fd = blob,
				      .head = &layer->head,
				      .limits = &unpack->session->limits,
				      .image = &unpack->bytes,
				      .image_listing = &unpack->written,
				      .below = below,
				      .spare = &unpack->spare,
				      .progress = on_progress,
				      .ctx = &progress};
	struct tree *tree;
	struct stat st;

	if (blob < 0)
		return NULL;
	if (fstat(blob, &st) < 0) {
		error_errno(err, errno, "stat");
		return NULL;
	}
	if (check_size((uint64_t)st.st_size, layer, err) < 0)
		return NULL;
	layer_uncharge(&source, &layer->outcome);
	tree = layer_read(&source, layer->tar.fd, &layer->outcome, err);
	if (!tree && !layer->outcome.links)
		error_kind(err, DUCC_CORRUPT);
	return tree;
}

static int read_layer(struct unpack *unpack, struct layer *layer, ducc_error **err)
{
	AUTO_TREE *tree = read_blob(unpack, layer, NULL, err);

	if (!tree)
		return layer->outcome.links ? 0 : -1;
	if (keep_tree(unpack, layer->outcome.listing))
		layer->tree = STEAL(tree);
	else if (write_listing(&layer->listing, &layer->head, tree, err) < 0)
		return -1;
	context_notice(&unpack->session->context, DUCC_DEBUG, "unpacked layer " PRI_DIGEST,
		       layer->head.layer.hex);
	return 0;
}

/*
 * If a layer cannot be read because its blob in the store is damaged, discards that: the next
 * ducc-fetch downloads it again.  Anything else is a fault of the image.
 */
static void blame_blob(struct unpack *unpack, const struct layer *layer, ducc_error **err)
{
	enum ducc_error_kind kind = ducc_error_kind(*err);
	ducc_error *damage = NULL;

	if ((kind != DUCC_CORRUPT && kind != DUCC_LIMIT) ||
	    !store_verify_blob(&unpack->store, &layer->head.layer, &damage))
		return;
	ducc_error_free(*err);
	*err = damage;
}

static int read_one(void *ctx, size_t i, ducc_error **err)
{
	struct unpack *unpack = ctx;
	struct layer *layer = &unpack->layers[i];
	AUTO_FREE char *reference = reference_format(&unpack->reference);
	struct span span;
	int result;

	if (!layer->fresh || atomic_load(&unpack->failed))
		return 0;
	span_begin(&span, unpack->session->events, "layer_conversion", reference,
		   &layer->head.layer);
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

static int settle_fresh(struct layer *layer, struct tree *tree, ducc_error **err)
{
	if (layer->settled && !settle_has_additions(tree))
		return 0;
	layer->settled = true;
	if (append(&layer->tar, &layer->head, tree, err) < 0)
		return -1;
	return write_listing(&layer->listing, &layer->head, tree, err);
}

/* Commits the listing last: it marks the layer as complete. */
static int commit_fresh(struct layer *layer, ducc_error **err)
{
	note_id(layer, layer->listing.fd);
	if (staged_commit(&layer->tar, err) < 0)
		return -1;
	return staged_commit(&layer->listing, err);
}

/*
 * Adds the entries that this image needs to a layer that was unpacked before.  A new tar
 * replaces the old one; a layer that is only published just gets a listing, for
 * ducc-publish.
 */
static int settle_again(struct unpack *unpack, struct layer *layer, ducc_error **err)
{
	const struct digest *digest = &layer->head.layer;
	AUTO_FREE char *tar_name = store_layer_tar_name(digest);
	AUTO_FREE char *listing_name = store_layer_listing_name(digest);
	AUTO_STAGED tar = STAGED_NONE;
	AUTO_STAGED listing = STAGED_NONE;
	AUTO_TREE *tree = NULL;
	struct listing_head head;
	bool in_store;

	if (staged_begin(&tar, &unpack->store, tar_name, false, err) < 0 ||
	    staged_begin(&listing, &unpack->store, listing_name, false, err) < 0)
		return -1;
	/* Read now, under the lock. */
	AUTO_CLOSE int old_listing = open_listing(unpack, digest, &in_store);
	AUTO_CLOSE int old_tar = unpacked_open_tar(&unpack->store, digest, NULL);
	if (old_listing < 0)
		return error_errno(err, errno, "%s", listing_name);
	tree = listing_read(old_listing, &head, err);
	if (!tree)
		return -1;
	settle_mark(tree, false);
	settle_add_missing(tree, layer->additions);
	if (old_tar >= 0) {
		if (file_copy(old_tar, tar.fd, TO_THE_END) < 0)
			return error_errno(err, errno, "copy");
		if (append(&tar, &head, tree, err) < 0 || staged_commit(&tar, err) < 0)
			return -1;
	}
	if (write_listing(&listing, &head, tree, err) < 0)
		return -1;
	note_id(layer, listing.fd);
	return staged_commit(&listing, err);
}

static void report_differences(const struct unpack *unpack, const struct digest *layer,
			       const struct differences *differences)
{
	AUTO_FREE char *name = format("%s/%s: layer " PRI_DIGEST, unpack->reference.registry,
				      unpack->reference.repository, layer->hex);

	differences_report(differences, &unpack->session->context, name, false);
}

/* Reads the current listing of a layer and checks that it matches the manifest. */
static struct tree *read_listing(struct unpack *unpack, struct layer *layer, ducc_error **err)
{
	bool fresh = layer->first->listing.fd >= 0, in_store;
	AUTO_CLOSE int other = fresh ? -1 : open_listing(unpack, &layer->head.layer, &in_store);
	int fd = fresh ? layer->first->listing.fd : other;
	AUTO_TREE *tree = NULL;
	struct listing_head head;

	if (fd < 0) {
		error_errno(err, errno, "listing");
		return NULL;
	}
	if (!fresh)
		note_id(layer->first, fd);
	tree = listing_read(fd, &head, err);
	if (!tree || check_size(head.size, layer, err) < 0)
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

/*
 * Charges a merged layer for the entries that it needs in this image, explicit or implied,
 * but not for those added by other images, or by earlier occurrences in this image.
 */
static int charge_layer(struct unpack *unpack, struct layer *layer, struct tree *tree,
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

/* Settles a layer on those below it, and commits it if it does not occur again. */
static int settle(struct unpack *unpack, struct layer *layer, struct tree **tree, ducc_error **err)
{
	layer->left--;
	if (layer->fresh) {
		if (settle_fresh(layer, *tree, err) < 0)
			return -1;
		return layer->left ? 0 : commit_fresh(layer, err);
	}
	if (settle_has_additions(*tree)) {
		if (layer->additions)
			settle_add_missing(layer->additions, *tree);
		else
			layer->additions = STEAL(*tree);
	}
	if (layer->left || !layer->additions)
		return 0;
	if (settle_again(unpack, layer, err) < 0)
		return -1;
	tree_free(STEAL(layer->additions));
	return 0;
}

/* Reads a fresh layer again, on top of those below: links lead its entries elsewhere. */
static struct tree *read_again(struct unpack *unpack, struct layer *layer, ducc_error **err)
{
	if (lseek(layer->tar.fd, 0, SEEK_SET) < 0 || ftruncate(layer->tar.fd, 0) < 0) {
		error_errno(err, errno, "write");
		return NULL;
	}
	context_notice(&unpack->session->context, DUCC_DEBUG,
		       "unpacking layer " PRI_DIGEST " on those below, for symbolic links",
		       layer->head.layer.hex);
	return read_blob(unpack, layer, unpack->image, err);
}

/*
 * The tree of a layer, to be merged and settled.  *placed is set to another one to be merged
 * instead if links lead entries elsewhere than in the image for which it was settled.
 */
static struct tree *place_layer(struct unpack *unpack, struct layer *layer, struct tree **placed,
				struct differences *differences, ducc_error **err)
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

static int merge_one(struct unpack *unpack, struct layer *layer, ducc_error **err)
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
	result = merge_layer(unpack->image, merged, &differences, err);
	report_differences(unpack, &layer->head.layer, &differences);
	if (result < 0 || charge_layer(unpack, layer->first, merged, err) < 0)
		return -1;
	if (tree_count(unpack->image) > most)
		return limits_exceeded(LIMIT_IMAGE_ENTRIES, most, err);
	return settle(unpack, layer->first, &tree, err);
}

static int merge_all(struct unpack *unpack, ducc_error **err)
{
	AUTO_FREE char *name = store_image_listing_name(&unpack->stored.digest);
	AUTO_STAGED listing = STAGED_NONE;
	struct digest layers;

	unpack->image = tree_new();
	for (size_t i = 0; i < unpack->n; i++)
		if (merge_one(unpack, &unpack->layers[i], err) < 0)
			return error_wrap(err, "layer " PRI_DIGEST,
					  unpack->layers[i].head.layer.hex);
	merge_finish(unpack->image);
	if (staged_begin(&listing, &unpack->store, name, false, err) < 0)
		return -1;
	layers = layers_id(unpack);
	if (listing_write_image(listing.fd, &layers, unpack->image) < 0)
		return error_errno(err, errno, "%s", name);
	return staged_commit(&listing, err);
}

/* --- the jobs --------------------------------------------------------- */

static int unpack_image(struct unpack *unpack, const ducc_record *record, ducc_error **err)
{
	size_t missing = 0;

	if (open_image(unpack, record, err) < 0)
		return -1;
	for (size_t i = 0; i < unpack->n; i++)
		missing += unpack->layers[i].first == &unpack->layers[i] &&
			   !is_unpacked(unpack, &unpack->layers[i]);
	context_notice(&unpack->session->context, DUCC_INFO, "%s %zu of %zu layers",
		       unpack->session->dry_run ? "would unpack" : "unpacking", missing, unpack->n);
	if (unpack->session->dry_run)
		return 0;
	store_sweep(&unpack->store);
	if (is_complete(unpack))
		return 0;
	if (store_complete(&unpack->store, err) < 0)
		return -1;
	if (stage_layers(unpack, err) < 0 ||
	    parallel_run(unpack->n, unpack->session->jobs, read_one, unpack, &unpack->spare, err) <
		    0)
		return -1;
	spare_take(&unpack->spare); /* for this thread */
	return merge_all(unpack, err);
}

static void unpack_end(struct unpack *unpack)
{
	for (size_t i = 0; i < unpack->n; i++) {
		staged_discard(&unpack->layers[i].listing);
		staged_discard(&unpack->layers[i].tar);
		tree_free(unpack->layers[i].tree);
		tree_free(unpack->layers[i].additions);
	}
	free(unpack->layers);
	free(unpack->sorted);
	tree_free(unpack->image);
	stored_image_free(&unpack->stored);
	reference_free(&unpack->reference);
	repository_close(&unpack->repository);
	store_close(&unpack->store);
}

int ducc_unpack(ducc_session *session, const ducc_record *record, ducc_error **err)
{
	struct unpack unpack = {.session = session, .record = record, .store = {.fd = -1}};
	struct span span;
	int result;

	span_begin(&span, session->events, "image_unpack", ducc_record_reference(record), NULL);
	result = unpack_image(&unpack, record, err);
	span_end(&span, result, 0, err);
	unpack_end(&unpack);
	return result;
}

/* Opens the files of a layer: its tar in the store, or the published layer. */
static int find_layer(void *ctx, const struct digest *layer, struct extract_source *source,
		      ducc_error **err)
{
	const struct unpack *unpack = ctx;

	source->how = EXTRACT_TAR;
	source->fd = unpacked_open_tar(&unpack->store, layer, NULL);
	if (source->fd < 0) {
		source->how = EXTRACT_COPY;
		source->fd = repository_open_layerfs(&unpack->repository, layer);
	}
	return source->fd < 0 ? error_set(err, "neither unpacked in the store nor published") : 0;
}

static int extract_image(struct unpack *unpack, const ducc_record *record, const char *dir,
			 ducc_error **err)
{
	AUTO_FREE char *name = NULL, *left_out = NULL;
	AUTO_CLOSE int root = -1;
	AUTO_TREE *tree = NULL;
	struct extract_report report = {0};

	if (open_image(unpack, record, err) < 0)
		return -1;
	name = store_image_listing_name(&unpack->stored.digest);
	tree = unpacked_read_listing(&unpack->store, name, NULL, err);
	if (!tree)
		return -1;
	if (path_mkdirs_named(dir, err) < 0)
		return -1;
	root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return error_errno(err, errno, "%s", dir);
	if (!directory_is_empty(root, ""))
		return error_set_kind(err, DUCC_USAGE, "%s is not an empty directory", dir);
	if (extract(root, tree, find_layer, unpack, &report, err) < 0)
		return error_wrap(err, "%s", dir);
	left_out = extract_report_text(&report);
	if (left_out)
		context_notice(&unpack->session->context, DUCC_WARNING,
			       "%s: left out, not permitted: %s", dir, left_out);
	return 0;
}

int ducc_extract(ducc_session *session, const ducc_record *record, const char *dir,
		 ducc_error **err)
{
	struct unpack unpack = {.session = session, .record = record, .store = {.fd = -1}};
	ducc_error *error = NULL;
	int result = extract_image(&unpack, record, dir, &error);

	if (result < 0 && ducc_error_kind(error) == DUCC_CORRUPT && unpack.store.fd >= 0)
		unpacked_verify_all(&unpack.store, &unpack.stored.manifest);
	if (result < 0)
		error_give(err, error);
	unpack_end(&unpack);
	return result;
}

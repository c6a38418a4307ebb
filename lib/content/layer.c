/* Reading a layer: see layer.h. */
#include "content/layer.h"

#include "base/mem.h"
#include "content/compact.h"
#include "content/layer_entries.h"
#include "content/listing_size.h"
#include "format/repo_paths.h"

/* --- bytes ------------------------------------------------------------ */

/* Gets the next piece of the tar. */
static int next_piece(void *ctx, const void **data, size_t *len, ducc_error **err)
{
	struct layer_reader *reader = ctx;
	int result = layer_stream_next(&reader->stream, data, len, err);

	if (result <= 0)
		return result;
	reader->unpacked += *len;
	return layer_charge_bytes(reader, err) < 0 ? -1 : 1;
}

/* Reads the data after the tar's end marker: it is part of the diff ID. */
static int drain(struct layer_reader *reader, ducc_error **err)
{
	const void *data;
	size_t len;
	int result;

	do
		result = next_piece(reader, &data, &len, err);
	while (result > 0);
	layer_stream_end(&reader->stream);
	return result;
}

static int verify(struct layer_reader *reader, const struct listing_head *head, ducc_error **err)
{
	struct digest actual = layer_stream_digest(&reader->stream);

	if (layer_stream_consumed(&reader->stream) != head->size)
		return error_set(err, "garbage after the compressed data");
	if (!digest_equal(&actual, &head->diff_id))
		return error_set(
			err, "diff ID mismatch: content is " PRI_DIGEST ", config has " PRI_DIGEST,
			actual.hex, head->diff_id.hex);
	return 0;
}

/* --- the result ------------------------------------------------------- */

static void unref(void *file)
{
	file_unref(file);
}

static uint64_t listing_size(struct tree *tree)
{
	struct node *root = tree_root(tree);
	AUTO_BUFFER path = {0};
	uint64_t size = 0;

	for (const struct node *node = root; node; node = tree_next(root, node)) {
		node_path(node, &path);
		size += listing_node_size(node, &path, node->file);
	}
	return size;
}

/*
 * Rewrites the tar without replaced entries.  Files whose first name was replaced get
 * another origin, which may be longer and occurs in the line of each of their links.
 */
static int rewrite(struct layer_reader *reader, int fd, ducc_error **err)
{
	uint64_t size, charged = reader->listing.used;

	compact_origins(reader->tree, reader->layer);
	size = listing_size(reader->tree);
	if (size > charged && layer_charge_listing(reader, size - charged, err) < 0)
		return -1;
	return compact(fd, reader->tree, reader->layer, err);
}

/* Keeps only the flags that a listing records. */
static void settle_flags(struct tree *tree)
{
	struct node *root = tree_root(tree);

	for (struct node *node = root; node; node = tree_next(root, node)) {
		uint8_t fixed = node->flags & NODE_FIXED;

		if (node_is_whiteout(node))
			node->flags = NODE_WHITEOUT;
		else
			node->flags = node_is_opaque(node) ? NODE_OPAQUE : 0;
		if (node->file || node->lower_link || node_is_whiteout(node))
			node->flags |= fixed && node_is_dir(node) ? NODE_LATE : fixed;
	}
}

static void settle_detours(struct layer_reader *reader)
{
	if (reader->detours && (reader->fixed || reader->rewrite))
		tree_root(reader->tree)->flags |= NODE_FIXED;
}

static int read_layer(struct layer_reader *reader, const struct layer_source *source, int fd,
		      ducc_error **err)
{
	/* The root has a line even if the layer does not list it. */
	if (layer_stream_open(&reader->stream, source->fd, source->slots, source->progress,
			      source->ctx, err) < 0 ||
	    layer_charge_listing(reader, LISTING_LINE, err) < 0 ||
	    layer_read_entries(reader, err) < 0 || drain(reader, err) < 0 ||
	    verify(reader, source->head, err) < 0 ||
	    layer_add_replaced_directories(reader, err) < 0 ||
	    tarball_finish(reader->tarball, err) < 0 || layer_charge_bytes(reader, err) < 0)
		return -1;
	settle_flags(reader->tree);
	settle_detours(reader);
	tree_sort(reader->tree);
	return reader->rewrite ? rewrite(reader, fd, err) : 0;
}

void layer_uncharge(const struct layer_source *source, struct layer_outcome *outcome)
{
	quota_return(source->image, outcome->bytes);
	quota_return(source->image_listing, outcome->listing);
	*outcome = (struct layer_outcome){.bytes = 0};
}

struct tree *layer_read(const struct layer_source *source, int tar, struct layer_outcome *outcome,
			ducc_error **err)
{
	AUTO_FREE char *directory = layer_path(&source->head->layer, "");
	struct layer_reader reader = {.layer = &source->head->layer,
				      .limits = source->limits,
				      .image = source->image,
				      .image_listing = source->image_listing,
				      .content = hasher_new(),
				      .tree = tree_new(),
				      .tarball = tarball_new(tar, directory)};
	ducc_error *error = NULL;
	int result;

	reader.tar = tar_reader_new((struct tar_source){next_piece, &reader}, TAR_HEADER_LIMIT);
	reader.view = (struct view){.layer = reader.tree,
				    .below = source->below,
				    .depth = limits_get(source->limits, LIMIT_DEPTH, 0)};
	quota_begin(&reader.bytes, source->limits, LIMIT_LAYER, source->head->size);
	quota_begin(&reader.listing, source->limits, LIMIT_LISTING, source->head->size);
	quota_begin(&reader.entries, source->limits, LIMIT_ENTRIES, source->head->size);
	result = read_layer(&reader, source, tar, &error);
	*outcome = (struct layer_outcome){
		.bytes = reader.charged, .listing = reader.listing.used, .links = reader.links};

	strmap_free_values(&reader.aufs, unref);
	tar_reader_free(reader.tar);
	layer_stream_close(&reader.stream);
	tarball_free(reader.tarball);
	hasher_free(reader.content);
	if (result == 0)
		return reader.tree;
	if (reader.links)
		ducc_error_free(error);
	else
		error_give(err, error);
	tree_free(reader.tree);
	return NULL;
}

/*
 * The entries of a layer: puts each where it belongs in the tree, or refuses it; keeps whiteouts
 * and hard links for the merge (layer.h); writes what stays to the tarball.
 */
#ifndef DUCC_LAYER_ENTRIES_H
#define DUCC_LAYER_ENTRIES_H

#include "base/strmap.h"
#include "content/follow.h"
#include "content/layer_stream.h"
#include "content/quota.h"
#include "content/tar_reader.h"
#include "content/tarball.h"
#include "content/tree.h"

/* The state of layer_read(). */
struct layer_reader {
	const struct digest *layer;
	const struct ducc_limits *limits;
	struct quota *image, *image_listing; /* shared by all layers of the image */

	struct layer_stream stream;
	struct tar_reader *tar; /* reads the stream */
	struct hasher *content;
	uint64_t unpacked; /* bytes of the tar so far */
	uint64_t charged;  /* bytes of the tar read or of the one written, whichever is larger */
	struct quota bytes, listing, entries;

	struct tree *tree;
	struct tarball *tarball;
	struct strmap aufs; /* AUFS's files that hard links are to, by path */
	bool rewrite;       /* an entry in the tarball was replaced, or must be removed */

	struct view view; /* of the tree on the layers below, if they are known */
	bool links;       /* paths lead through links, but the layers below are not known */
	bool detours;     /* paths lead through links */
	bool fixed;       /* see NODE_FIXED */
};

/*
 * Charges the bytes read or written since the last call, whichever are more: a sparse file
 * is larger in the output tar.
 */
int layer_charge_bytes(struct layer_reader *reader, ducc_error **err);
/* Charges `size` bytes of the layer's listing. */
int layer_charge_listing(struct layer_reader *reader, uint64_t size, ducc_error **err);

/*
 * Reads all entries of reader->tar.  Fails with reader->links set at a path that leads through a
 * link, if the layers below are not known.
 */
int layer_read_entries(struct layer_reader *reader, ducc_error **err);

/*
 * Adds directories that the layer implies and that have a whiteout of the same name, or are in place
 * of a hidden link: as what is below is hidden, each is a new directory and must be in the layer.  But
 * if it would contain nothing but whiteouts, it need not exist.
 */
int layer_add_replaced_directories(struct layer_reader *reader, ducc_error **err);

#endif

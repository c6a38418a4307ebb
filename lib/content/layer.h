/*
 * Reading a layer: a compressed tar of changes (OCI image specification,
 * "Image Layer Filesystem Changeset") becomes a tree and a plain tar.
 *
 * The tree holds what the layer itself says, each path once: where a path comes
 * twice the last one wins.  Whiteouts and opaque markers become flags of the nodes.
 * Parents that the layer does not name stay nodes without a file, hard links
 * into lower layers stay node->lower_link: both are settled when the layer is
 * merged onto those below (merge.h).  It is the tree that listing_read() would make
 * of its listing.
 */
#ifndef DUCC_LAYER_H
#define DUCC_LAYER_H

#include "base/error.h"
#include "content/listing.h"
#include "content/quota.h"
#include "content/tree.h"

struct layer_source {
	int fd;                                     /* the compressed blob */
	const struct listing_head *head;            /* layer, diff_id and size are looked at */
	const struct ducc_limits *limits;           /* for this layer */
	struct quota *image, *image_listing;        /* shared by all layers of the image */
	void (*progress)(void *ctx, uint64_t done); /* compressed bytes; may be NULL */
	void *ctx;
};

/*
 * Reads the layer and writes the files that it holds to the empty file `tar`.
 * The diff ID is verified.  Returns the tree, sorted, its files with layer and
 * origin set; NULL with *err set on failure.  A layer that exceeds a limit fails before it
 * has used more than the limit allows.
 *
 * *listing is set to the bytes charged for its listing, which bound the memory of the
 * tree as well (listing_size.h).
 */
struct tree *layer_read(const struct layer_source *source, int tar, uint64_t *listing,
			ducc_error **err);

#endif

/*
 * Reading a layer: converts a compressed tar of changes (OCI image specification,
 * "Image Layer Filesystem Changeset") to a tree and a plain tar.
 *
 * The tree has the layer's own entries, each path once: of duplicate entries, the
 * last wins.  Whiteouts and opaque markers become flags of the nodes.  Parents that
 * the layer does not list are nodes without a file, hard links into lower layers
 * are kept in node->lower_link: both are resolved when the layer is merged onto
 * those below (merge.h).  The tree equals that of listing_read() on its listing.
 */
#ifndef DUCC_LAYER_H
#define DUCC_LAYER_H

#include "base/parallel.h"
#include "content/listing.h"
#include "content/quota.h"
#include "content/tree.h"

struct layer_source {
	int fd;                                     /* the compressed blob */
	const struct listing_head *head;            /* layer, diff_id and size are used */
	const struct ducc_limits *limits;           /* for this layer */
	struct quota *image, *image_listing;        /* shared by all layers of the image */
	atomic_uint *spare;                         /* jobs it may use (parallel.h); or NULL */
	void (*progress)(void *ctx, uint64_t done); /* compressed bytes; may be NULL */
	void *ctx;
};

/*
 * Reads the layer, writes its files to the empty file `tar`, and verifies the diff ID.
 * Returns the tree, sorted, its files with layer and origin set; NULL with *err set
 * on failure.  A layer that exceeds a limit fails before it has used more than the
 * limit allows.
 *
 * *listing is set to the bytes charged for its listing, which bound the memory of the
 * tree as well (listing_size.h).
 */
struct tree *layer_read(const struct layer_source *source, int tar, uint64_t *listing,
			ducc_error **err);

#endif

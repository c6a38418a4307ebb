/*
 * Reading a layer: converts a compressed tar of changes (OCI image specification,
 * "Image Layer Filesystem Changeset") to a tree and a plain tar.
 *
 * The tree has the layer's own entries, each path once: of duplicate entries, the
 * last wins.  Whiteouts and opaque markers become flags of the nodes.  Parents that
 * the layer does not list are nodes without a file, hard links into lower layers
 * are kept in node->lower_link: both are resolved when the layer is merged onto
 * those below (merge.h).  The tree equals that of listing_read() on its listing.
 *
 * An entry whose path leads through symbolic links (follow.h) is where they lead to when the
 * entry is read; node->detour says how it got there.  So such a layer is read on top of those
 * below it.  Others, which are nearly all, need not be, and can be read at the same time.
 */
#ifndef DUCC_LAYER_H
#define DUCC_LAYER_H

#include "base/slots.h"
#include "content/listing.h"
#include "content/quota.h"
#include "content/tree.h"

struct layer_source {
	int fd;                              /* the compressed blob */
	const struct listing_head *head;     /* layer, diff_id and size are used */
	const struct ducc_limits *limits;    /* for this layer */
	struct quota *image, *image_listing; /* shared by all layers of the image */
	struct tree *below;                  /* the merged layers below; or NULL */
	struct slots *slots;                 /* spare ones may be used; or NULL */
	/* Of compressed bytes; returns -1 with *err set to stop; may be NULL. */
	int (*progress)(void *ctx, uint64_t done, ducc_error **err);
	void *ctx;
};

/* What reading a layer has cost, and found. */
struct layer_outcome {
	uint64_t bytes; /* charged to source->image */
	uint64_t
		listing; /* charged to source->image_listing; they bound the memory of the tree, too
			     (listing_size.h) */
	bool links;      /* paths lead through links of the layer: it must be read on those below */
};

/*
 * Reads the layer, writes its files to the empty file `tar`, and verifies the diff ID.
 * Returns the tree, sorted, its files with layer and origin set; NULL with *err set
 * on failure, or with outcome->links.  A layer that exceeds a limit fails before it has used
 * more than the limit allows.
 */
struct tree *layer_read(const struct layer_source *source, int tar, struct layer_outcome *outcome,
			ducc_error **err);

/* Gives back what was charged, before the layer is read again. */
void layer_uncharge(const struct layer_source *source, struct layer_outcome *outcome);

#endif

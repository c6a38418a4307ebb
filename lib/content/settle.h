/*
 * Settling a layer on those below it: nodes that merging added to its tree (merge.h), such as
 * implied directories and the whiteouts of an opaque one, are added to its tar.
 */
#ifndef DUCC_SETTLE_H
#define DUCC_SETTLE_H

#include "base/error.h"
#include "content/tree.h"

/*
 * Call before merging: marks the nodes that the layer's tar contains; in a fresh tar, these
 * are the layer's own entries.
 */
void settle_mark(struct tree *tree, bool fresh);

/* True if the tree has nodes that the tar lacks, or for one such node. */
bool settle_has_additions(struct tree *tree);
bool settle_is_addition(const struct node *node);

/* Appends those nodes to the layer's tar, which ends with tarball_finish()'s trailer. */
int settle_append(int tar, const struct digest *layer, struct tree *tree, ducc_error **err);

/*
 * Adds to `tree` the additions of `ours`, another tree of the same layer with its entries in the same
 * places (placement.h).  Fails at the first that does not fit; `tree` then has those before it.
 */
int settle_add_missing(struct tree *tree, struct tree *ours, ducc_error **err);

/*
 * Makes the tree that of the layer alone, as if it had never been merged: without whatever was added
 * to it, and without the files of its hard links into lower layers.
 */
void settle_clear(struct tree *tree);
/* Removes only those files. */
void settle_clear_links(struct tree *tree);

/* After merging: true if everything that was added is what the layer needs in this image. */
bool settle_is_exact(struct tree *tree);

#endif

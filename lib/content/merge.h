/*
 * Merging layers, lowest first, into the root file system of an image (OCI
 * image specification, "Applying Changesets").
 *
 * Merging also settles each layer on those below it: implied directories take
 * owner, mode and time from below, an opaque directory gets a whiteout for each
 * entry that it hides (so that overlayfs needs no xattr), and hard links into
 * lower layers are resolved.
 */
#ifndef DUCC_MERGE_H
#define DUCC_MERGE_H

#include "base/error.h"
#include "content/tree.h"

/*
 * Applies `layer` on top of `image`, which starts as an empty tree_new().
 *
 * Afterwards every node of the layer that needs a file has one, and nodes added
 * by the merge have NODE_IMPLIED.  If the layer was settled before, on other
 * layers, an implied directory that would have different metadata on these, and a hard
 * link that would resolve to a different file, stay as they are and are marked as `differs';
 * the image gets the correct ones.
 *
 * The entries of the layer must be where symbolic links lead them (placement.h).
 *
 * The trees then share files; image interns the digests that it needs.
 */
int merge_layer(struct tree *image, struct tree *layer, ducc_error **err);

/* Only resolves the layer's hard links into the layers below. */
int merge_resolve_links(struct tree *image, struct tree *layer, ducc_error **err);

/* Finishes a merge: adds a root directory if no layer has one, sorts, counts links. */
void merge_finish(struct tree *image);

#endif

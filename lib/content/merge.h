/*
 * Merging layers, the lowest first, into the root file system of an image (OCI
 * image specification, "Applying Changesets").
 *
 * Merging also settles each layer on those below it: the directories that it
 * only implies take owner, mode and time from below, an opaque directory gets a
 * whiteout for each entry that it hides (so that overlayfs needs no xattr), and
 * a hard link into a lower layer finds its file.
 */
#ifndef DUCC_MERGE_H
#define DUCC_MERGE_H

#include "base/error.h"
#include "content/differences.h"
#include "content/tree.h"

/*
 * Puts `layer` on top of `image`, which starts as an empty tree_new().
 *
 * Afterwards every node of the layer that needs a file has one, and additions of
 * ours carry NODE_IMPLIED.  Where the layer was settled before, on other layers,
 * and one of its implied directories would look different on these, it is added
 * to `differences` (may be NULL); the image gets what is right for it.  A hard
 * link that would lead to another file than before is an error.
 *
 * Both trees share files after that; image interns the digests it needs.
 */
int merge_layer(struct tree *image, struct tree *layer, struct differences *differences,
		ducc_error **err);

/* Ends a merge: gives the image a root if no layer did, sorts it, counts links. */
void merge_finish(struct tree *image);

#endif

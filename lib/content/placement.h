/*
 * The places of a layer's entries: where the symbolic links of the layers below lead them.
 *
 * A layer is unpacked and published once, with its entries where they are in the first image
 * that has it.  On other layers links may lead elsewhere.
 */
#ifndef DUCC_PLACEMENT_H
#define DUCC_PLACEMENT_H

#include "base/error.h"
#include "content/differences.h"
#include "base/strmap.h"
#include "content/tree.h"

/*
 * True if links of the layers below, merged into `image`, lead the entries of the layer to
 * where they are in its tree.  If the layer was not settled yet, `fresh`, false if they
 * could lead elsewhere: then the order of the entries decides, and the layer must be read
 * again (layer.h).
 */
bool placement_holds(struct tree *image, struct tree *layer, bool fresh);

/*
 * The tree of the same layer with its entries where links of the layers below lead them; those
 * that are elsewhere are added to `differences`.  It shares the files, and must not outlive
 * `layer`.  NULL with *err set if that cannot be said of this layer.
 */
struct tree *placement_anew(struct tree *image, struct tree *layer, struct differences *differences,
			    ducc_error **err);

/*
 * A digest, allocated, of the symbolic links at the node of an image, or NULL, and beneath it: of their
 * paths from there, and their targets.
 */
char *placement_links(const struct node *top);

/*
 * Two trees of the same layer, unpacked for different images: true if links have led entries of the
 * layer, of any kind, to different places, and adds those to `differences`.  Then nothing of one tree
 * fits the other: a directory might be in place of such a link.
 */
bool placement_differs(struct tree *layer, struct tree *other, struct differences *differences);

/*
 * Adds to `map`, for the path of each file of `layer`, its path in `other`, allocated.  Fails if
 * `other` does not have the file.
 */
int placement_map(struct tree *layer, struct tree *other, struct strmap *map, ducc_error **err);

#endif

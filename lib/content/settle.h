/*
 * Settling a layer on those below it: what merging has added to its tree (merge.h), such as
 * implied directories and the whiteouts of an opaque one, goes into its tar too.
 */
#ifndef DUCC_SETTLE_H
#define DUCC_SETTLE_H

#include "base/error.h"
#include "content/tree.h"

/*
 * Before merging, notes which nodes the layer's tar has: of a fresh one, those that the
 * layer says itself.
 */
void settle_mark(struct tree *tree, bool fresh);

/* True if the tree has something that the tar has not. */
bool settle_has_additions(struct tree *tree);

/* Appends that to the layer's tar, which tarball_finish() has ended. */
int settle_append(int tar, const struct digest *layer, struct tree *tree, ducc_error **err);

/* Adds to `tree` the additions of another tree of the same layer. */
void settle_add_missing(struct tree *tree, struct tree *ours);

#endif

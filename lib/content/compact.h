/*
 * Rewriting the tar of a layer, in the rare case that it has duplicate paths, so that each
 * path occurs once.
 */
#ifndef DUCC_COMPACT_H
#define DUCC_COMPACT_H

#include "base/error.h"
#include "content/tree.h"

/* Call before compact(): sets the origin of each file to the first of its names. */
void compact_origins(struct tree *tree, const struct digest *layer);

/*
 * Appends a new tar of the tree to the file, each path once, with the contents from the
 * old tar (file->data), and moves it over the old one.
 */
int compact(int fd, struct tree *tree, const struct digest *layer, ducc_error **err);

#endif

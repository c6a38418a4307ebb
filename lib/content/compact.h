/*
 * Writing the tar of a layer again: some paths came more than once, which is rare, and the
 * tar is to hold each once.
 */
#ifndef DUCC_COMPACT_H
#define DUCC_COMPACT_H

#include "base/error.h"
#include "content/tree.h"

/* Before compact(): the origin of each file becomes the first of its names. */
void compact_origins(struct tree *tree, const struct digest *layer);

/*
 * Writes what the tree has behind the tar in the file, each path once, with the contents
 * from there (file->data), and moves it to the front.
 */
int compact(int fd, struct tree *tree, const struct digest *layer, ducc_error **err);

#endif

/*
 * What Singularity and Apptainer expect of a root file system beyond the image:
 * /.singularity.d with environment, runscript and actions, links to it at the
 * root, and places to mount over.
 */
#ifndef DUCC_SINGULARITY_H
#define DUCC_SINGULARITY_H

#include "content/tree.h"
#include "format/image.h"

/* Adds it to the tree of an image; what the image has stays as it is. */
void singularity_add(struct tree *tree, const struct config *config);

#endif

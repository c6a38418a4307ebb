/*
 * The files that Singularity and Apptainer expect in a root file system in addition to the
 * image: /.singularity.d with environment, runscript and actions, links to it in the root
 * directory, and mount points.
 */
#ifndef DUCC_SINGULARITY_H
#define DUCC_SINGULARITY_H

#include "content/tree.h"
#include "format/image.h"

/* Adds them to the tree of an image, without replacing files of the image. */
void singularity_add(struct tree *tree, const struct config *config);

#endif

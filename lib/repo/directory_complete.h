/*
 * Completing a published layer in a directory (directory.c).
 */
#ifndef DUCC_DIRECTORY_COMPLETE_H
#define DUCC_DIRECTORY_COMPLETE_H

#include "content/tree.h"

/*
 * Creates the whiteouts and implied directories of a listing that are missing in the layer whose
 * root is open.  Permissions of directories are no hindrance, and are as listed in the end.
 * Returns -1 with errno set.
 */
int directory_complete(int layerfs, struct tree *tree);

#endif

/*
 * Names in an image, and targets of symbolic links, that CernVM-FS does not take as they are.
 */
#ifndef DUCC_CVMFS_NAMES_H
#define DUCC_CVMFS_NAMES_H

#include "base/context.h"
#include "content/tree.h"
#include "repo/repository.h"

/*
 * Fails for a name with which an ingest would refuse everything, in a tree to be published at
 * `where`.  Warns of link targets that clients expand.
 */
int names_accepted(struct context *context, const struct repository *repository, const char *where,
		   struct tree *tree, ducc_error **err);

#endif

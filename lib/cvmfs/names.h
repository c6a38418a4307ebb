/*
 * What is in an image that CernVM-FS does not take as it is: names, targets of symbolic links, file
 * capabilities.
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

/* The same for one entry, without a warning. */
int names_accept(const struct repository *repository, const char *where, const struct node *node,
		 ducc_error **err);

/* Warns once if files of a layer have capabilities, which an ingest drops. */
void names_warn_of_capabilities(struct context *context, const struct digest *layer,
				struct tree *tree);

#endif

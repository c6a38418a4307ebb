/*
 * Opening directories in a repository (directory.c) to their owner: the permissions of an image's
 * directories can prevent users other than root from moving them, or linking files in them.
 */
#ifndef DUCC_DIRECTORY_OPEN_H
#define DUCC_DIRECTORY_OPEN_H

#include "repo/directory_plan.h"
#include "repo/repository.h"

/*
 * Gives their owner all permissions of all directories of a published layer (path_permit()), until
 * the end of the transaction: adds their own permissions to the plan `opened`, and writes it to
 * DIRECTORY_OPENED.  Does nothing for a layer that the plan contains.
 */
int directory_open_layer(const struct repository *repository, int root, struct plan *opened,
			 const struct digest *layer, ducc_error **err);

#endif

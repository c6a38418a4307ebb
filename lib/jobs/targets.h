/*
 * The kinds of repositories that there are.
 */
#ifndef DUCC_TARGETS_H
#define DUCC_TARGETS_H

#include "repo/repository.h"

/* repository_open() with the kind that the name is of. */
int targets_open(struct repository *repository, const char *name, const char *store,
		 ducc_error **err);

#endif

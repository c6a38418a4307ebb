/*
 * The store's copy of the metadata of a CernVM-FS repository that this machine
 * publishes to but can't read: repositories/NAME, with the same paths.  Of layers and
 * flat trees only their directories are there.
 */
#ifndef DUCC_METADATA_COPY_H
#define DUCC_METADATA_COPY_H

#include "base/context.h"
#include "repo/repository.h"
#include "store/store.h"

/* Puts what the tar at `fd` holds into the directory `root`, each file whole or not at all. */
int metadata_copy_put(int root, int fd, ducc_error **err);

/*
 * Puts what a transaction has added, in the tar at `fd`, into the copy.  What can't
 * be written is warned of: it would be published again, no more than that.
 */
void metadata_copy_update(struct context *context, const struct repository *repository, int fd);

#endif

/*
 * The store's copy of the metadata of a CernVM-FS repository to which this machine publishes
 * but which it cannot read: repositories/NAME, with the same paths.  Of layers and flat
 * trees, it has only the directories.
 */
#ifndef DUCC_METADATA_COPY_H
#define DUCC_METADATA_COPY_H

#include "base/context.h"
#include "repo/repository.h"
#include "store/store.h"

/* Extracts the tar at `fd` into the directory `root`, each file completely or not at all. */
int metadata_copy_put(int root, int fd, ducc_error **err);

/*
 * Extracts the additions of a transaction, in the tar at `fd`, into the copy.  A failure is
 * only a warning: its sole effect is that files are published again.
 */
void metadata_copy_update(struct context *context, const struct repository *repository, int fd);

#endif

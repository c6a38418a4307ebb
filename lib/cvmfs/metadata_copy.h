/*
 * The store's copy of the metadata of a CernVM-FS repository to which this machine publishes
 * but which it cannot read: repositories/NAME, with the same paths.  Of layers and flat
 * trees, it has only the directories.
 *
 * A copy that lacks what was published since would do harm: lists, such as Podman's, are written as
 * a whole, on the basis of the copy.  So the file .revision in the copy names the revision that it
 * is of, its number and the hash of its root catalog, which must be the newest one.  The hash is
 * missing if the server, or a cache, did not know it yet.  A copy of somebody else's making has no
 * such file: the revision at its first use is noted.  The note is changed after everything else, so
 * an incomplete copy is one of an earlier revision.  Where the repository is mounted, the copy is
 * removed before something is published.
 */
#ifndef DUCC_METADATA_COPY_H
#define DUCC_METADATA_COPY_H

#include "base/context.h"
#include "repo/repository.h"
#include "store/store.h"

/* Extracts the payload at `fd` into the directory `root`, each file completely or not at all. */
int metadata_copy_put(int root, int fd, ducc_error **err);

/*
 * Fails if the copy is not of the newest revision, whose number becomes *number; 0 if the server is
 * unknown, and anything may have been published.  Waits, for context->wait at most, while the server
 * names an earlier revision than the copy's, as a cache does.
 */
int metadata_copy_check(struct context *context, const struct repository *repository,
			unsigned long long *number, ducc_error **err);

/*
 * Extracts the additions of a transaction, in the tar at `fd`, into the copy, which was of the
 * revision before.  A failure is only a warning, but the copy cannot be used again.
 */
void metadata_copy_update(struct context *context, const struct repository *repository, int fd,
			  unsigned long long before);

/* Removes the copy, if there is one, of a repository that is mounted. */
int metadata_copy_remove(const struct store *store, const struct repository *repository,
			 ducc_error **err);

#endif

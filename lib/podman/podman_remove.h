/*
 * Removing images that are no longer published from Podman's store (podman.h).
 */
#ifndef DUCC_PODMAN_REMOVE_H
#define DUCC_PODMAN_REMOVE_H

#include "repo/inventory.h"
#include "repo/transaction.h"

/* What to remove: names, and images, identified by the digest of their config. */
struct podman_gone {
	bool (*name)(void *ctx, const char *name);
	bool (*config)(void *ctx, const char *hex);
	void *ctx;
	/* All images that are published: remains (podman_remains.h) are removed, too; or NULL. */
	const struct inventory *inventory;
};

/*
 * Removes these names and images from the lists of the repository, and the layers that no
 * remaining image uses.
 */
int podman_remove(const struct podman_gone *gone, struct transaction *transaction,
		  ducc_error **err);

#endif

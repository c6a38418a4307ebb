/*
 * Removing from Podman's store (podman.h) what is no longer published.
 */
#ifndef DUCC_PODMAN_REMOVE_H
#define DUCC_PODMAN_REMOVE_H

#include "repo/transaction.h"

/* What goes: images' names, and images by the digest of their config. */
struct podman_gone {
	bool (*name)(void *ctx, const char *name);
	bool (*config)(void *ctx, const char *hex);
	void *ctx;
};

/*
 * Takes these names out of the lists of the repository, and these images with the
 * layers that no other one has.
 */
int podman_remove(const struct podman_gone *gone, struct transaction *transaction,
		  ducc_error **err);

#endif

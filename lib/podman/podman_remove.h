/*
 * Removing images that are no longer published from Podman's store (podman.h).
 */
#ifndef DUCC_PODMAN_REMOVE_H
#define DUCC_PODMAN_REMOVE_H

#include "format/repo_paths.h"
#include "repo/inventory.h"
#include "repo/transaction.h"

/* What becomes of something in the repository; of several, the last one counts. */
enum podman_fate {
	PODMAN_STAYS,
	PODMAN_WAITS, /* it is unwanted, or may be, but is not removed now */
	PODMAN_GOES,  /* it is removed now, or missing */
};

/*
 * What to remove: names, and images, identified by the digest of their config.
 *
 * Several manifests may have one config: an image in two registries, or whose layers were compressed
 * again.  An image whose config stays goes if no remaining image has its manifest (`manifest' is not
 * PODMAN_STAYS) and one of its layers goes, without which it would be an image without files.  If all
 * of them stay, and its flat tree, because other images need them, it goes with its manifest.
 */
struct podman_gone {
	bool (*name)(void *ctx, const char *name);
	bool (*config)(void *ctx, const char *hex);
	/* Called for images with a manifest only. */
	enum podman_fate (*manifest)(void *ctx, const struct digest *manifest);
	enum podman_fate (*tree)(void *ctx, enum repo_tree kind, const struct digest *tree);
	void *ctx;
	/* All images that are published: remains (podman_remains.h) are removed, too; or NULL. */
	const struct inventory *inventory;
	bool all; /* of which none stays: lists that are damaged are replaced by empty ones */
};

/*
 * Removes these names and images from the lists of the repository, and the layers that no
 * remaining image uses.
 */
int podman_remove(const struct podman_gone *gone, struct transaction *transaction,
		  ducc_error **err);

#endif

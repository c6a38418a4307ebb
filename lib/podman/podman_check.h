/*
 * Checking Podman's store (podman.h) against the published images.
 */
#ifndef DUCC_PODMAN_CHECK_H
#define DUCC_PODMAN_CHECK_H

#include "podman/podman_layers.h"
#include "repo/inventory.h"

/* A published image, and whether it has its name: see podman_add(). */
struct podman_checked {
	const char *name;
	bool named;
	struct podman_image image; /* `again` is set here; without a manifest, it is unreadable */
	struct digest listed;      /* set: the digest of the manifest that has the name; or "" */
};

struct podman_check {
	const struct repository *repository;
	/* Called for each difference; i: the index of the image, or n: it concerns none. */
	void (*differs)(void *ctx, size_t i, const char *kind, const char *path,
			const char *expected, const char *found);
	/* Called for each file with the right content, to look at its mode and owner. */
	void (*file)(void *ctx, size_t i, const char *path);
	/* Called for what could not be read; takes ownership of the error. */
	void (*failed)(void *ctx, const char *path, ducc_error *error);
	void *ctx;
};

/*
 * Reports what publishing the images again would change, and links that lead nowhere.
 * If `inventory` is not NULL, the images are all those of the repository: then it also reports
 * what none of them needs.
 */
void podman_check(const struct podman_check *check, struct podman_checked *images, size_t n,
		  const struct inventory *inventory);

#endif

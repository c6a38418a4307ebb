/*
 * What a repository holds: images by their names, flat trees and layers
 * (ducc-repository(5)), those of the original ducc too.
 */
#ifndef DUCC_INVENTORY_H
#define DUCC_INVENTORY_H

#include "repo/repository.h"

/* An image that has a name, for one platform. */
struct published {
	char *name; /* REGISTRY/REPOSITORY:TAG */
	char *label; /* its directory in .metadata, and its public link: the name, or .multiarch/PLATFORM/NAME */
	/* Its flat tree, as its manifest and as its link say; hex "": they do not. */
	struct digest flat, linked;
	struct digest *layers; /* as its manifest says */
	size_t n_layers;
};

struct inventory {
	struct published *images; /* sorted by label */
	size_t n_images, images_capacity;
	struct digest_set flats, layers;
	/* An image that does not tell its layers, and perhaps not its flat tree: its label. */
	char *unclear;
	bool unclear_flat;
};

/* Reads the repository; one that is not there is empty. */
int inventory_read(struct inventory *inventory, const struct repository *repository,
		   ducc_error **err);
void inventory_free(struct inventory *inventory);

#define AUTO_INVENTORY __attribute__((cleanup(inventory_free))) struct inventory

#endif

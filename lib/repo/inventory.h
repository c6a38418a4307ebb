/*
 * The content of a repository: images by name, flat trees and layers
 * (ducc-repository(5)), including those of the original ducc.
 */
#ifndef DUCC_INVENTORY_H
#define DUCC_INVENTORY_H

#include "base/strset.h"
#include "format/platform.h"
#include "repo/repository.h"

/* A named image, for one platform. */
struct published {
	char *name; /* REGISTRY/REPOSITORY:TAG */
	/* Its directory in .metadata, and its public link: NAME or .multiarch/PLATFORM/NAME. */
	char *label;
	/* Its flat tree, according to its manifest and to its link; hex "": unknown. */
	struct digest flat, linked;
	struct digest manifest;
	struct digest *layers; /* from its manifest */
	uint64_t *sizes;       /* of their blobs, in bytes; 0: unknown */
	size_t n_layers;
	ducc_error *failure; /* why its manifest or link cannot be read, if it exists; or NULL */
};

struct inventory {
	struct published *images; /* sorted by label */
	size_t n_images, images_capacity;
	struct digest_set flats, layers;
	struct strset names;  /* of the images */
	struct strset labels; /* of all directories in .metadata that look like an image's */
	/* The label of an image with unknown layers, and perhaps an unknown flat tree. */
	char *unclear;
	bool unclear_flat;
	ducc_error
		*unread; /* why a manifest could not be read, although it may be sound; or NULL */
};

/* Reads the repository; one that does not exist is empty. */
int inventory_read(struct inventory *inventory, const struct repository *repository,
		   ducc_error **err);
/* The same without reading any manifest: only names, labels and where the links lead. */
int inventory_read_names(struct inventory *inventory, const struct repository *repository,
			 ducc_error **err);
void inventory_free(struct inventory *inventory);

/* The image with that label, or NULL. */
const struct published *inventory_find(const struct inventory *inventory, const char *label);
/* True if there is an image of that public name, even if the name itself is lost. */
bool inventory_has_name(const struct inventory *inventory, const char *name);

/*
 * Reads the flat tree and the layers of the image with that label from its manifest.  Returns 1, 0
 * if that is missing or damaged, or -1 if it cannot be read.
 */
int published_read(struct published *image, const struct repository *repository, const char *label,
		   ducc_error **err);
void published_free(struct published *image);

/* Its flat tree according to its manifest, or else to its link; hex "": unknown. */
static inline const struct digest *published_flat(const struct published *image)
{
	return *image->flat.hex ? &image->flat : &image->linked;
}

/* True if exactly this manifest is published under that label. */
bool published_has_manifest(const struct repository *repository, const char *label,
			    const char *manifest, size_t len);

/*
 * The image's platform.json: the platform as which it is published; an earlier version did not write
 * it.  Then replaces *platform, that of the config.  Returns 1, 0 if there is no such file, or -1.
 */
#define PLATFORM_FILE "platform.json"
int published_read_platform(struct platform *platform, int root, const char *label,
			    ducc_error **err);

#define AUTO_INVENTORY __attribute__((cleanup(inventory_free))) struct inventory

#endif

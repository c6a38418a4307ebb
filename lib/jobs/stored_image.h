/*
 * The documents of an image: its manifest and its config, as the store has them or as they are
 * published, read, parsed and checked against each other.
 */
#ifndef DUCC_STORED_IMAGE_H
#define DUCC_STORED_IMAGE_H

#include "format/image.h"
#include "store/store.h"

/* Begins as {0}. */
struct stored_image {
	struct digest digest; /* of the manifest */
	char *manifest_json, *config_json;
	size_t manifest_len, config_len;
	struct manifest manifest;
	struct config config; /* with a diff ID for each layer of the manifest */
};

/*
 * Reads the image whose manifest has that digest.  Call stored_image_free() in the end, also if
 * this fails.
 */
int stored_image_read(struct stored_image *image, const struct store *store,
		      const struct digest *digest, ducc_error **err);

/* The same if the manifest is known, and in image->manifest: reads the config only. */
int stored_image_read_config(struct stored_image *image, const struct store *store,
			     ducc_error **err);

/* Reads the image that is published under `label`, in the repository whose root is open there. */
int stored_image_read_published(struct stored_image *image, int root, const char *label,
				ducc_error **err);

void stored_image_free(struct stored_image *image);

#endif

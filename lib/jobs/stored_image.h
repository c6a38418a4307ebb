/*
 * The documents of an image: its manifest and config, from the store or as published, read,
 * parsed and checked against each other.
 */
#ifndef DUCC_STORED_IMAGE_H
#define DUCC_STORED_IMAGE_H

#include "content/quota.h"
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
 * Reads the image whose manifest has this digest.  Call stored_image_free() at the end, even if
 * this fails.
 */
int stored_image_read(struct stored_image *image, const struct store *store,
		      const struct digest *digest, ducc_error **err);

/* Takes over a config, whose digest is right, for the manifest that is in image->manifest. */
int stored_image_take_config(struct stored_image *image, char *config, size_t len,
			     ducc_error **err);

/* Checks the number of layers, and the size of the documents, against the limits. */
int stored_image_check_limits(const struct stored_image *image, const struct ducc_limits *limits,
			      ducc_error **err);

/*
 * Reads the image published under `label` in the repository whose root directory is `root`.  The
 * platform in its config is replaced by the one as which it is published.
 */
int stored_image_read_published(struct stored_image *image, int root, const char *label,
				ducc_error **err);

void stored_image_free(struct stored_image *image);

#endif

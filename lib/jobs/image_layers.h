/*
 * The listings of the layers of an image as they are now: those in the store, else those in the
 * repository.
 *
 * The listing of an image is valid for these listings of its layers, which have the entries that
 * the image needs in them.  Later others may have been added, for other images; but if a listing
 * was lost and made anew, some may be missing.  If the layer is published, those are in the
 * published listing, whose additions are kept when it is replaced.
 */
#ifndef DUCC_IMAGE_LAYERS_H
#define DUCC_IMAGE_LAYERS_H

#include "content/listing.h"
#include "format/image.h"
#include "repo/repository.h"
#include "store/store.h"

struct image_layers {
	const struct store *store;
	const struct repository *repository; /* path NULL: none */
};

/* Opens the current listing of a layer; -1 with *err set, of the kind DUCC_NOT_FOUND if there is none. */
int image_layers_open(const struct image_layers *layers, const struct digest *layer, bool *in_store,
		      ducc_error **err);

/*
 * Adds to the tree of a layer, from its listing in the store, the whiteouts and implied directories
 * that other images need, which the published listing has.
 */
void image_layers_keep(const struct image_layers *layers, const struct listing_head *head,
		       struct tree *tree);

/* A digest of the digests of listings, in their order; an empty one stands for none. */
struct digest image_layers_id(const struct digest *ids, size_t n);

/*
 * Checks that the layers have all entries that the image needs in them, or keep them, which the
 * listing of the image in the store, `name`, shows if they are those with which it was made.
 */
int image_layers_check(const struct image_layers *layers, const struct manifest *manifest,
		       const char *name, ducc_error **err);

#endif

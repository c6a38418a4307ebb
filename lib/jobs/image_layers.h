/*
 * The listings of the layers of an image as they are now: those in the store, else those in the
 * repository.
 *
 * The listing of a layer has what the images unpacked with it need in it, or had: if it was lost and
 * made anew, some of that may be missing.  What one image needs follows from the layers below it, and
 * is exactly what the listing has if that of the image says so, of the same listings of its layers.
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

/* Reads the listing of a layer in the store.  1; 0 if there is none; -1 with *err set. */
int image_layers_read(const struct image_layers *layers, const struct digest *layer,
		      struct listing_head *head, struct tree **tree, ducc_error **err);

/*
 * Adds to the tree of a layer, from its listing in the store, the whiteouts and implied directories
 * that other images need, which the published listing has; if that is lost or damaged, the whiteouts
 * among the published files.  Whiteouts that hide what the layer does not are left out.  Returns 1; 0
 * if the layer is published with entries in other places (placement.h), so that not all of that fits;
 * or -1 with *err set, also, unless it is to be repaired anyway, `again`, if files that can have such
 * whiteouts are not for us.
 */
int image_layers_keep(const struct image_layers *layers, const struct listing_head *head,
		      bool again, struct tree *tree, ducc_error **err);

/* A digest of the digests of listings, in their order; an empty one stands for none. */
struct digest image_layers_id(const struct digest *ids, size_t n);

/*
 * True if the listings of the layers have exactly what the image needs in them, which its listing in
 * the store, `name`, shows if they are those with which it was made.
 */
bool image_layers_are_exact(const struct image_layers *layers, const struct manifest *manifest,
			    const char *name);

/*
 * Reads the listing of a layer, and merges the layer on top of those below it in the image, `below`.
 * The tree returned is the layer as the image needs it, and must not outlive `below`; but if symbolic
 * links lead its entries elsewhere than in its tar, or if it is `repeated` in the image, it is as it
 * was unpacked, and only its hard links into lower layers are those of the image.  NULL with *err
 * set on failure.
 */
struct tree *image_layers_settle(const struct image_layers *layers, struct tree *below,
				 const struct digest *layer, bool repeated,
				 struct listing_head *head, ducc_error **err);

#endif

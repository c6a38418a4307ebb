/*
 * What ducc-unpack has written to the store: the tar and the listing of each layer, and the
 * listing of each image.  Functions that find one damaged discard it (store.h).
 */
#ifndef DUCC_UNPACKED_H
#define DUCC_UNPACKED_H

#include "content/listing.h"
#include "store/store.h"

/*
 * Opens a listing; -1 with *err set, of the kind DUCC_NOT_FOUND or DUCC_CORRUPT.  One of an earlier
 * version, without a digest or a header, counts as missing: it could be incomplete, or that of
 * something else.
 */
int unpacked_open_listing(const struct store *store, const char *name, ducc_error **err);

/* Checks the digest of a listing that was opened. */
int unpacked_check_listing(const struct store *store, const char *name, int fd, ducc_error **err);

/* Reads a whole listing, as listing_read() does. */
struct tree *unpacked_read_listing(const struct store *store, const char *name,
				   struct listing_head *head, ducc_error **err);

/* Opens the tar of a layer. */
int unpacked_open_tar(const struct store *store, const struct digest *layer, ducc_error **err);

/* 1 if the layer has a tar of the size in its listing, which is open; 0 if not; -1 if that is unknown. */
int unpacked_has_tar(const struct store *store, const struct digest *layer, int listing,
		     ducc_error **err);

/* Discards the tar of a layer if its size is not that in its listing, which is open. */
void unpacked_discard_part(const struct store *store, const struct digest *layer, int listing);

/* Compares the whole tar of a layer with its listing, of which these are the header and the tree. */
int unpacked_compare(int tar, const struct listing_head *head, struct tree *tree, ducc_error **err);

/* Reads the whole layer, and checks its tar against its listing. */
int unpacked_verify(const struct store *store, const struct digest *layer, ducc_error **err);

/*
 * The same for all layers of an image, after something was found damaged, as *err says: if it was
 * one of these layers, the kind of *err becomes DUCC_DAMAGED.
 */
void unpacked_verify_all(const struct store *store, const struct manifest *manifest,
			 ducc_error **err);

#endif

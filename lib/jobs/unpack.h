/*
 * Unpacking an image: what the parts of the job of ducc-unpack share.
 */
#ifndef DUCC_UNPACK_H
#define DUCC_UNPACK_H

#include <stdatomic.h>

#include "base/claims.h"
#include "content/layer.h"
#include "content/listing.h"
#include "content/quota.h"
#include "jobs/session.h"
#include "jobs/stored_image.h"
#include "repo/repository.h"
#include "store/staged.h"

/* A layer of the image. */
struct unpack_layer {
	struct listing_head head;
	struct staged tar, listing; /* fresh: not finished */
	bool fresh;
	struct tree *tree;            /* fresh: not merged or listed yet; or NULL */
	struct layer_outcome outcome; /* fresh: of reading it */

	/* The lowest layer with the same blob, usually this one.  Only that one uses the rest. */
	struct unpack_layer *first;
	size_t left;            /* how many times the blob must still be merged */
	uint64_t charged;       /* bytes of listing, the last time */
	bool settled;           /* fresh, and merged before */
	struct digest id;       /* of its listing, as the image needs it; empty: it has none */
	struct tree *additions; /* not fresh: the layer with its additions, or NULL */
};

struct unpack {
	ducc_session *session;
	const ducc_record *record;
	struct store store;
	struct repository repository; /* path NULL: none, or it does not exist yet */
	struct reference reference;
	struct stored_image stored;
	struct unpack_layer *layers;  /* as in the manifest */
	struct unpack_layer **sorted; /* by digest, the lowest of equal ones first */
	size_t n;
	struct tree *image;
	bool exact;   /* so far, the listings of the layers have exactly what the image needs */
	bool changed; /* failed because others changed or removed a layer meanwhile */

	unsigned rank;                /* among images that are unpacked at the same time */
	struct claim claim;           /* of layers */
	atomic_bool failed;           /* a layer could not be read */
	_Atomic uint64_t kept;        /* bytes of trees of fresh layers in memory ... */
	atomic_bool kept_one;         /* ... and one beyond the limit */
	struct quota bytes;           /* of new layers, unpacked */
	struct quota written, merged; /* bytes of listings, new and merged */
};

/* Opens the store, the repository and the image of a record.  Call unpack_end() even on failure. */
int unpack_open(struct unpack *unpack, const ducc_record *record, ducc_error **err);
void unpack_end(struct unpack *unpack);

/*
 * Opens the current listing of a layer; -1 with *err set, of the kind DUCC_NOT_FOUND if there is
 * none, or it is to be published again.
 */
int unpack_open_listing(const struct unpack *unpack, const struct digest *layer, bool *in_store,
			ducc_error **err);

/* 1 if the layer need not be read: its content is in the store or published; 0 if it must; or -1. */
int unpack_has_layer(const struct unpack *unpack, struct unpack_layer *layer, bool *in_store,
		     ducc_error **err);

/* Notes the digest of the listing of a layer; false with errno set if it cannot be read. */
bool unpack_note_id(struct unpack_layer *layer, int listing);
struct digest unpack_layers_id(const struct unpack *unpack);

/* Reads the layers that need it, several in parallel; they stay staged (unpack_read.c). */
int unpack_read(struct unpack *unpack, ducc_error **err);

/*
 * Reads the blob of a fresh layer, on those below if `below` is not NULL.  NULL with *err set, or if
 * it must be read on those below.
 */
struct tree *unpack_read_blob(struct unpack *unpack, struct unpack_layer *layer, struct tree *below,
			      ducc_error **err);

/* Rejects a wrong size, because the defaults of limits depend on it. */
int unpack_check_size(uint64_t actual, const struct unpack_layer *layer, ducc_error **err);

/* Writes the listing of a layer, replacing what is staged. */
int unpack_write_listing(struct staged *listing, const struct listing_head *head, struct tree *tree,
			 ducc_error **err);

/* Merges the layers, settling each on those below, and writes the listing of the image. */
int unpack_merge(struct unpack *unpack, ducc_error **err);

#endif

/*
 * Sending a layer from the store into an ingest.
 */
#ifndef DUCC_LAYER_SENDER_H
#define DUCC_LAYER_SENDER_H

#include "cvmfs/ingest.h"
#include "cvmfs/staging.h"

/*
 * Sends what is in the layer's tar, except directories, whiteouts, hard links into lower layers, and
 * what is staged or sent as a hard link.  Every entry must agree with the listing `tree', and the
 * content of every file with its digest: -1 with *err set if one does not, or if one is missing.
 */
int layer_send(struct ingest *ingest, struct staging *staging, const struct digest *layer,
	       struct tree *tree, ducc_error **err);

/* Reads the listing of a layer, in the store, for that; NULL with *err set. */
struct tree *layer_send_listing(const struct staging *staging, const struct digest *layer,
				ducc_error **err);

#endif

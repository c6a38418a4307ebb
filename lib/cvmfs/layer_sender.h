/*
 * Sending a layer from the store into an ingest.
 */
#ifndef DUCC_LAYER_SENDER_H
#define DUCC_LAYER_SENDER_H

#include "cvmfs/ingest.h"
#include "cvmfs/staging.h"

/*
 * Sends what is in the layer's tar, except directories and whiteouts, and what is staged or sent as
 * a hard link.  Every entry must agree with the listing, and the content of every file with its
 * digest: -1 with *err set if one does not, or if one is missing.
 */
int layer_send(struct ingest *ingest, struct staging *staging, const struct digest *layer,
	       ducc_error **err);

#endif

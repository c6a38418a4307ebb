/*
 * Sending a layer from the store into an ingest.
 */
#ifndef DUCC_LAYER_SENDER_H
#define DUCC_LAYER_SENDER_H

#include "cvmfs/ingest.h"
#include "cvmfs/staged_tree.h"
#include "store/store.h"

/*
 * Sends what is in the layer's tar, except directories, and what is staged or sent as a hard
 * link (staged; NULL: nothing).  Every entry must agree with the listing, and the content of
 * every file with its digest: -1 with *err set if one does not, or if one is missing.
 */
int layer_send(struct ingest *ingest, const struct store *store, const struct digest *layer,
	       const struct staged_tree *staged, ducc_error **err);

#endif

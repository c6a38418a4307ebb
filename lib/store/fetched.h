/*
 * Which names an image was fetched under (ducc-store(5)): for the manifest HEX and each
 * REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@DIGEST a file in images/HEX.names, which
 * is called after the digest of the name and holds it.
 *
 * A record that pins a name to a digest is only somebody's word.  That just this manifest
 * came when just this name was asked for is known here, and written by ducc-fetch alone.
 */
#ifndef DUCC_FETCHED_H
#define DUCC_FETCHED_H

#include "store/store.h"

/* Notes that the reference has brought the manifest, durably. */
int fetched_add(struct store *store, const struct digest *manifest,
		const struct reference *reference, ducc_error **err);

/*
 * True if it has; for a reference without a tag, if any name of its repository has.  What
 * index.json lists counts too.  False too if it can't be told: then fetching the image will.
 */
bool fetched_under(const struct store *store, const struct digest *manifest,
		   const struct reference *reference);

#endif

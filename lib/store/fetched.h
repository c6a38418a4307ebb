/*
 * The names under which an image was fetched (ducc-store(5)): for the manifest HEX and each
 * REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@DIGEST, a file in images/HEX.names that is
 * named after the digest of the name and contains the name.
 *
 * A record that pins a name to a digest is an unverified claim.  These files prove that a
 * registry served exactly this manifest for exactly this name; only ducc-fetch writes them.
 */
#ifndef DUCC_FETCHED_H
#define DUCC_FETCHED_H

#include "store/store.h"

/* Records durably that the manifest was fetched under the reference. */
int fetched_add(struct store *store, const struct digest *manifest,
		const struct reference *reference, ducc_error **err);

/*
 * True if the manifest was fetched under the reference; without a tag, under any name of its
 * repository.  Entries of index.json count as well.  False on error: fetching again resolves it.
 */
bool fetched_under(const struct store *store, const struct digest *manifest,
		   const struct reference *reference);

#endif

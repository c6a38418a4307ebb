/*
 * A repository of a registry, spoken to with the OCI distribution protocol.
 *
 * Transient trouble is tried again with growing pauses.  One struct registry
 * serves several threads, each with an http client of its own.
 */
#ifndef DUCC_REGISTRY_H
#define DUCC_REGISTRY_H

#include "blob.h"
#include "http.h"
#include "reference.h"

struct registry;

struct registry *registry_new(const struct reference *reference, ducc_error **err);
void registry_free(struct registry *registry);

/*
 * Asks which manifest `name` (a tag, or sha256:HEX) is now.  Returns 1 with its
 * digest, 0 if the registry does not say, -1 on error.
 */
int registry_head_manifest(struct registry *registry, struct http *http, const char *name,
			   struct digest *digest, ducc_error **err);

/*
 * Gets a manifest or an index, as the bytes that the registry has.  With
 * `expected` they must match that digest.  The caller frees *data.
 */
int registry_get_manifest(struct registry *registry, struct http *http, const char *name,
			  const struct digest *expected, char **data, size_t *len,
			  ducc_error **err);

/*
 * Downloads a blob into its file and verifies it.  When a download breaks, it
 * starts anew.
 */
int registry_get_blob(struct registry *registry, struct http *http, struct blob *blob,
		      ducc_error **err);

#endif

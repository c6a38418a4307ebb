/*
 * A repository of a registry, spoken to with the OCI distribution protocol.
 *
 * Transient trouble is tried again with growing pauses.  One struct registry
 * serves several threads, each with an http client of its own.
 */
#ifndef DUCC_REGISTRY_H
#define DUCC_REGISTRY_H

#include "auth.h"
#include "blob.h"
#include "http.h"
#include "reference.h"

struct registry;
struct endpoint;

/*
 * `access` tells what tokens are asked for.  `user` and `password` are credentials
 * that go before those that are configured; NULL: none.
 */
struct registry *registry_new(const struct reference *reference, enum registry_access access,
			      const char *user, const char *password, ducc_error **err);
void registry_free(struct registry *registry);

/* The registry itself, for requests that are not here (endpoint.h). */
struct endpoint *registry_home(struct registry *registry);

/* --- pulling ---------------------------------------------------------- */

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

/*
 * All tags of the repository, as they come, each once.  The caller frees each and the
 * array.  It is an error if the registry has no such repository, or if the list is
 * cut off.
 */
int registry_list_tags(struct registry *registry, struct http *http, char ***tags, size_t *n,
		       ducc_error **err);

/* --- pushing ---------------------------------------------------------- */

/* 1 if the registry has the blob, 0 if not, -1 on error. */
int registry_has_blob(struct registry *registry, struct http *http, const struct digest *digest,
		      ducc_error **err);

/*
 * Uploads a blob from memory, unless the registry has it.  It is taken over from
 * `mount_from`, a repository of the same registry, if that has it; NULL: from none.
 */
int registry_put_blob(struct registry *registry, struct http *http, const void *data, size_t len,
		      const struct digest *digest, const char *mount_from, ducc_error **err);

/* Puts a manifest or an index under `name`: a tag, or sha256:HEX. */
int registry_put_manifest(struct registry *registry, struct http *http, const char *name,
			  const char *media_type, const void *data, size_t len, ducc_error **err);

#endif

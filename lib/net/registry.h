/*
 * A repository of a registry, accessed with the OCI distribution protocol.
 *
 * Transient errors are retried with exponential backoff; if mirrors are configured, they are
 * tried in turn.  One struct registry serves several threads, each with its own http
 * client.
 */
#ifndef DUCC_REGISTRY_H
#define DUCC_REGISTRY_H

#include "base/strset.h"
#include "format/reference.h"
#include "net/auth.h"
#include "net/http.h"
#include "store/blob_writer.h"

struct registry;
struct endpoint;
struct mirrors;

/* The keyring must outlive the registry. */
struct registry *registry_open(const struct reference *reference, const struct login *login,
			       struct keyring *keyring, const struct mirrors *mirrors,
			       ducc_error **err);
void registry_free(struct registry *registry);

/* Copies the authentication challenges of another repository of the registry. */
void registry_learn(struct registry *registry, struct registry *other);

/* The registry itself, or its proxy, for requests that do not go to mirrors (endpoint.h). */
struct endpoint *registry_home(struct registry *registry, struct http *http);

/* --- pulling ---------------------------------------------------------- */

/*
 * Resolves `name` (a tag, or sha256:HEX) to a manifest digest: 1; 0 if the registry does not have
 * it; -1 if it is unknown, and getting or putting the manifest will report why.
 */
int registry_head_manifest(struct registry *registry, struct http *http, const char *name,
			   struct digest *digest);

/*
 * Gets the unmodified bytes of a manifest or an index.  If `expected` is not NULL,
 * they must match that digest.  The caller frees *data.
 */
int registry_get_manifest(struct registry *registry, struct http *http, const char *name,
			  const struct digest *expected, char **data, size_t *len,
			  ducc_error **err);

/*
 * Downloads the missing part of a blob into its file and verifies it.  An interrupted
 * download is resumed; one that fails verification is restarted once.
 */
int registry_get_blob(struct registry *registry, struct http *http, struct blob *blob,
		      ducc_error **err);

/*
 * Adds all tags of the repository, in the registry's order.  A missing repository and a
 * truncated list are errors.
 */
int registry_list_tags(struct registry *registry, struct http *http, struct strset *tags,
		       ducc_error **err);

/* --- pushing ---------------------------------------------------------- */

/* 1 if the registry has the blob, 0 if not, -1 on error. */
int registry_has_blob(struct registry *registry, struct http *http, const struct digest *digest,
		      ducc_error **err);

/*
 * Uploads a blob from memory, unless the repository has it.  It is mounted from
 * `mount_from`, a repository of the same registry, if that has it; NULL: do not mount.
 */
int registry_put_blob(struct registry *registry, struct http *http, const void *data, size_t len,
		      const struct digest *digest, const char *mount_from, ducc_error **err);

/* Puts a manifest or an index under `name`: a tag, or sha256:HEX. */
int registry_put_manifest(struct registry *registry, struct http *http, const char *name,
			  const char *media_type, const void *data, size_t len, ducc_error **err);

#endif

/*
 * A repository of a registry, spoken to with the OCI distribution protocol.
 *
 * Transient trouble is tried again with growing pauses; where mirrors are configured,
 * what one can't give is asked of the next.  One struct registry serves several threads,
 * each with an http client of its own.
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

/* The keyring must live as long. */
struct registry *registry_open(const struct reference *reference, const struct login *login,
			       struct keyring *keyring, const struct mirrors *mirrors,
			       ducc_error **err);
void registry_free(struct registry *registry);

/* Spares the registry the questions that another repository of it has answered. */
void registry_learn(struct registry *registry, struct registry *other);

/* The registry itself, or what stands for it, for what mirrors are not asked (endpoint.h). */
struct endpoint *registry_home(struct registry *registry, struct http *http);

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
 * Downloads what is missing of a blob into its file, and verifies it.  A broken download
 * goes on where it ended; one that turns out wrong starts anew, once.
 */
int registry_get_blob(struct registry *registry, struct http *http, struct blob *blob,
		      ducc_error **err);

/*
 * Adds all tags of the repository, as they come.  It is an error if the registry has no
 * such repository, or if the list is cut off.
 */
int registry_list_tags(struct registry *registry, struct http *http, struct strset *tags,
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

/*
 * Where images come from: a registry, an OCI image layout (oci:DIR[:REF]) or a tar of
 * one (oci-archive:FILE[:REF]), or what docker save wrote (docker-archive:FILE[:NAME]).
 *
 * A new kind of source is one more struct source_kind, and one line in source.c.
 */
#ifndef DUCC_SOURCE_H
#define DUCC_SOURCE_H

#include "format/image.h"
#include "format/reference.h"
#include "net/network.h"
#include "store/blob_writer.h"
#include "store/store.h"

struct source {
	const struct source_kind *kind;
	struct network *network;
	int *input; /* a copy of an archive on standard input, or -1 */
	void *data; /* the kind's own */
	/*
	 * What the image is called: for a registry as asked for, for a local source
	 * the name that it carries.  Not pinned to the image manifest yet.
	 */
	struct reference reference;
};

struct source_kind {
	const char *prefix; /* "oci:"; "" for registries */

	/* Opens what follows the prefix; sets reference and data. */
	int (*open)(struct source *source, const char *text, ducc_error **err);
	void (*close)(struct source *source);

	/* The digest of the top-level manifest or index, if it can be known without getting it. */
	int (*peek)(struct source *source, struct digest *digest);

	/*
	 * Gets the top-level manifest or index (digest NULL), or the one with that
	 * digest, verified.  The caller frees *data.
	 */
	int (*manifest)(struct source *source, const struct digest *digest, char **data,
			size_t *len, ducc_error **err);

	/*
	 * Writes what is missing of a blob into its file and verifies it.  Called from
	 * several threads at once.
	 */
	int (*blob)(struct source *source, struct blob *blob, ducc_error **err);
};

extern const struct source_kind source_registry, source_oci, source_oci_archive,
	source_docker_archive;

/*
 * Opens the source that the text names (an image reference, oci:..., docker-archive:...).
 * Network and *input stay the caller's, and are the same for all sources of a session.
 */
int source_open(struct source *source, struct network *network, int *input, const char *text,
		ducc_error **err);
void source_close(struct source *source);

/*
 * For local sources: the reference for the name that an image carries.  As with
 * podman, one without a registry becomes localhost/NAME:TAG.
 */
int source_set_local_name(struct source *source, const char *name, ducc_error **err);

#endif

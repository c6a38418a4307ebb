/*
 * Sources of images: a registry, an OCI image layout (oci:DIR[:REF]) or a tar of
 * one (oci-archive:FILE[:REF]), or the output of docker save (docker-archive:FILE[:REF]).
 * The last three may end in =NAME, the name to give the image.
 *
 * To add a kind of source, define a struct source_kind and list it in source.c.
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
	int *input;       /* a copy of an archive on standard input, or -1 */
	void *data;       /* private to the kind */
	const char *name; /* for a local source: the name to give the image, or NULL */
	/*
	 * The name of the image: for a registry as requested, for a local source as given, or
	 * as recorded in it.  Not pinned to the image manifest yet.
	 */
	struct reference reference;
};

struct source_kind {
	const char *prefix; /* "oci:"; "" for registries */

	/*
	 * Opens the source; `text` is the rest after the prefix, without =NAME.  Sets reference
	 * and data.
	 */
	int (*open)(struct source *source, const char *text, ducc_error **err);
	void (*close)(struct source *source);

	/* Digest of the top-level manifest or index: true if known without fetching it.  Or NULL. */
	bool (*peek)(struct source *source, struct digest *digest);

	/*
	 * Gets the top-level manifest or index (digest NULL), or the one with that
	 * digest, verified.  The caller frees *data.
	 */
	int (*manifest)(struct source *source, const struct digest *digest, char **data,
			size_t *len, ducc_error **err);

	/*
	 * Writes the missing part of a blob into its file and verifies it.  Called from
	 * several threads concurrently.
	 */
	int (*blob)(struct source *source, struct blob *blob, ducc_error **err);
};

extern const struct source_kind source_registry, source_oci, source_oci_archive,
	source_docker_archive;

/* True for a source that is not a registry. */
bool source_is_local(const char *text);

/*
 * Opens the source named by the text (an image reference, oci:..., docker-archive:...).
 * The caller owns network and *input, which all sources of a session share.
 */
int source_open(struct source *source, struct network *network, int *input, const char *text,
		ducc_error **err);
void source_close(struct source *source);

/* Reads a config into memory, verified.  The caller frees *data. */
int source_read_config(struct source *source, const struct descriptor *config, char **data,
		       size_t *len, ducc_error **err);

/*
 * For local sources: sets the reference from the given name or, if there is none, the image's
 * recorded name, or, if that is NULL, the name of the file or directory `path`, unless it is
 * standard input.  As in podman, a name without a registry becomes localhost/NAME:TAG.
 */
int source_set_local_name(struct source *source, const char *recorded, const char *path,
			  ducc_error **err);

#endif

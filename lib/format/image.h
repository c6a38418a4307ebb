/*
 * Image metadata: descriptor, manifest, index, config
 * (OCI image specification 1.1; Docker image manifest version 2, schema 2).
 *
 * Parsed documents own their strings; release each with its _free function.
 */
#ifndef DUCC_IMAGE_H
#define DUCC_IMAGE_H

#include "format/digest.h"
#include "format/json.h"
#include "format/platform.h"

/* Media types to accept from a registry, as the value of an Accept header. */
extern const char image_accept[];

#define MEDIA_OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define MEDIA_OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define MEDIA_OCI_CONFIG "application/vnd.oci.image.config.v1+json"
#define MEDIA_OCI_LAYER "application/vnd.oci.image.layer.v1.tar"
#define MEDIA_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define MEDIA_DOCKER_CONFIG "application/vnd.docker.container.image.v1+json"
#define MEDIA_DOCKER_LAYER "application/vnd.docker.image.rootfs.diff.tar.gzip"
#define MEDIA_DOCKER_INDEX "application/vnd.docker.distribution.manifest.list.v2+json"

struct descriptor {
	char *media_type;
	struct digest digest;
	uint64_t size; /* bytes */
	char *url;     /* location of a non-distributable layer; NULL: not given */
};

int descriptor_parse(struct descriptor *descriptor, const cJSON *json, ducc_error **err);
void descriptor_free(struct descriptor *descriptor);

/* A new JSON descriptor with the required members only. */
cJSON *descriptor_to_json(const char *media_type, const struct digest *digest, uint64_t size);

struct manifest {
	struct descriptor config;
	struct descriptor *layers; /* lowest first */
	size_t n;
};

/* True for a non-distributable (foreign) layer, which registries need not hold. */
bool layer_is_foreign(const struct descriptor *layer);

/*
 * Parses an image manifest and refuses everything else: an index, schema 1, an
 * artifact, a layer media type that ducc cannot unpack.
 */
int manifest_parse(struct manifest *manifest, const char *data, size_t len, ducc_error **err);
void manifest_free(struct manifest *manifest);

#define AUTO_MANIFEST __attribute__((cleanup(manifest_free))) struct manifest

/* True for the supported media types of manifests and indexes. */
bool manifest_is_known_type(const char *media_type);

/* True if the document is an OCI index or a Docker manifest list. */
bool manifest_is_index(const cJSON *json);

/*
 * Selects from an index the candidates for `platform`: the best match alone, or, without a
 * match, the nested indexes and a lone manifest that specify no platform.  Returns at least
 * one; the caller frees each descriptor and the array.
 */
int index_select(const cJSON *index, const struct platform *platform, struct descriptor **found,
		 size_t *n, ducc_error **err);

/*
 * The distinct platforms of the images in an index: OS/ARCH[/VARIANT], NULL-terminated.
 * The caller frees each string and the array.  Returns NULL with *err set on failure.
 */
char **index_platforms(const cJSON *index, ducc_error **err);

struct config {
	struct platform platform;
	struct digest *diff_ids; /* lowest layer first */
	size_t n;
	char **env, **entrypoint, **cmd; /* NULL-terminated; NULL: not given */
};

int config_parse(struct config *config, const char *data, size_t len, ducc_error **err);
void config_free(struct config *config);

#define AUTO_CONFIG __attribute__((cleanup(config_free))) struct config

/*
 * Converts a Docker schema 2 manifest to OCI: the same config and layers under
 * OCI media types.  NULL if the manifest is OCI already.  The caller frees it.
 */
char *manifest_to_oci(const char *data, size_t len);

#endif

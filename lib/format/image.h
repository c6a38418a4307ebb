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
	char *media_type; /* "" if a config has none */
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
 * artifact (DUCC_ARTIFACT), a layer media type that ducc cannot unpack.  Registries have
 * images whose config has any media type, or none: config_check() decides about those.
 */
int manifest_parse(struct manifest *manifest, const char *data, size_t len, ducc_error **err);
void manifest_free(struct manifest *manifest);

#define AUTO_MANIFEST __attribute__((cleanup(manifest_free))) struct manifest

/* True for the supported media types of manifests and indexes. */
bool manifest_is_known_type(const char *media_type);

/* True if the document is an OCI index or a Docker manifest list. */
bool manifest_is_index(const cJSON *json);

/* An entry of an index: an image, or a nested index. */
struct entry {
	struct descriptor descriptor;
	struct platform platform; /* all NULL: the index does not specify it */
	bool is_index;
};

/* The entries of an index, without attestations and other artifacts. */
struct index {
	struct entry *entries;
	size_t n;
};

int index_parse(struct index *index, const cJSON *json, ducc_error **err);
void index_free(struct index *index);

#define AUTO_INDEX __attribute__((cleanup(index_free))) struct index

/* True if the index specifies the entry's platform. */
bool entry_has_platform(const struct entry *entry);

/* True if the media type of the config is that of an image: it is no artifact. */
bool manifest_is_of_image(const struct manifest *manifest);

struct config {
	struct platform platform;
	struct digest *diff_ids; /* lowest layer first */
	size_t n;
	char **env, **entrypoint, **cmd; /* NULL-terminated; NULL: not given */
};

int config_parse(struct config *config, const char *data, size_t len, ducc_error **err);

/*
 * Parses the config of a manifest, which must have one diff ID for each layer.  Without diff
 * IDs, a config whose media type is not that of an image belongs to an artifact (DUCC_ARTIFACT).
 */
int config_check(struct config *config, const struct manifest *manifest, const char *data,
		 size_t len, ducc_error **err);
void config_free(struct config *config);

#define AUTO_CONFIG __attribute__((cleanup(config_free))) struct config

/*
 * Converts a Docker schema 2 manifest to OCI: the same config and layers under
 * OCI media types.  NULL if the manifest is OCI already.  The caller frees it.
 */
char *manifest_to_oci(const char *data, size_t len);

#endif

/*
 * What an image says of itself: descriptor, platform, manifest, index, config
 * (OCI image specification 1.1; Docker image manifest version 2, schema 2).
 *
 * Parsed documents own their strings; release each with its _free function.
 */
#ifndef DUCC_IMAGE_H
#define DUCC_IMAGE_H

#include "digest.h"
#include "json.h"

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
};

int descriptor_parse(struct descriptor *descriptor, const cJSON *json, ducc_error **err);
void descriptor_free(struct descriptor *descriptor);

/* Members may be NULL: not said. */
struct platform {
	char *os, *architecture, *variant;
};

/* Reads OS/ARCH[/VARIANT]; NULL means this host's. */
int platform_parse(struct platform *platform, const char *text, ducc_error **err);
void platform_free(struct platform *platform);
/*
 * True if an image for `have` is what is wanted.  A variant that is not asked for
 * matches any; arm64 means arm64/v8.
 */
bool platform_matches(const struct platform *wanted, const struct platform *have);
/* OS/ARCH[/VARIANT]; the caller frees it. */
char *platform_format(const struct platform *platform);
/* The platform of a descriptor in an index as text, or NULL if it has none. */
char *platform_of_descriptor(const cJSON *descriptor);

struct manifest {
	struct descriptor config;
	struct descriptor *layers; /* the lowest first */
	size_t n;
};

/*
 * Reads an image manifest and refuses everything else: an index, schema 1, an
 * artifact, a layer media type that ducc can't unpack.
 */
int manifest_parse(struct manifest *manifest, const char *data, size_t len, ducc_error **err);
void manifest_free(struct manifest *manifest);

#define AUTO_MANIFEST __attribute__((cleanup(manifest_free))) struct manifest

/* True for the media types of manifests and indexes that can be read here. */
bool manifest_is_known_type(const char *media_type);

/* True if the document is an OCI index or a Docker manifest list. */
bool manifest_is_index(const cJSON *json);

/*
 * Picks from an index the manifest for `platform`.  A variant that is not asked
 * for matches any, the first wins; one that is asked for must match, save that
 * arm64 means arm64/v8.
 */
int index_select(const cJSON *index, const struct platform *platform, struct descriptor *found,
		 ducc_error **err);

struct config {
	struct platform platform;
	struct digest *diff_ids; /* the lowest layer first */
	size_t n;
	char **env, **entrypoint, **cmd; /* end with NULL; NULL: not said */
};

int config_parse(struct config *config, const char *data, size_t len, ducc_error **err);
void config_free(struct config *config);

#define AUTO_CONFIG __attribute__((cleanup(config_free))) struct config

/*
 * The OCI form of a Docker schema 2 manifest: the same config and layers under
 * OCI media types.  NULL if the manifest is OCI already.  The caller frees it.
 */
char *manifest_to_oci(const char *data, size_t len);

#endif

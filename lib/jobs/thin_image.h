/*
 * Thin images: an image with one small layer, a gzipped tar of the file thin.json, which lists the
 * places where the layers of another image are published.  Docker's graph driver for CernVM-FS
 * reads it:
 *
 *	{"version": "1.0", "origin": REFERENCE,
 *	 "layers": [{"digest": HEX, "url": "BASE/.layers/xx/HEX/layerfs"}, ...]}
 *
 * with the lowest layer first.  The config is that of the other image, with this layer only, and
 * with CVMFS_IMAGE=true in the environment.
 *
 * Everything is built in memory, and reproducible: the same input gives the same bytes.
 */
#ifndef DUCC_THIN_IMAGE_H
#define DUCC_THIN_IMAGE_H

#include "format/image.h"

/* A blob or manifest. */
struct thin_part {
	char *data;
	size_t len;
	struct digest digest;
};

struct thin {
	struct thin_part layer, config, manifest;
	struct platform platform;
	bool oci; /* the manifest is an OCI manifest, not Docker's */
};

struct thin_source {
	const char *origin; /* reference of the published image */
	const char *base;   /* URL of the repository with its layers */
	const struct manifest *manifest;
	const struct platform *platform;
	const char *config_json;
	size_t config_len;
};

/*
 * Builds the thin image of a published one: its config, with CVMFS_IMAGE=true in the
 * environment, over the one layer.  Release with thin_free().
 */
int thin_build(struct thin *thin, const struct thin_source *source, bool oci, ducc_error **err);
void thin_free(struct thin *thin);

/* True for an image that is a thin one, by its environment and its only layer. */
bool is_thin_image(const struct manifest *manifest, const struct config *config);

/* The media type of its manifest, and of an index of such manifests. */
const char *thin_manifest_type(const struct thin *thin);
const char *thin_index_type(const struct thin *thin);

/* Builds the index of thin images for several platforms, all of the same kind. */
void thin_build_index(struct thin_part *index, const struct thin *thins, size_t n);
void thin_part_free(struct thin_part *part);

#endif

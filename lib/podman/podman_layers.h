/* The layers of an image in the model of Podman's store (podman.h). */
#ifndef DUCC_PODMAN_LAYERS_H
#define DUCC_PODMAN_LAYERS_H

#include "format/image.h"
#include "podman/podman.h"

/* An image whose layers are published, or will be together with the store. */
struct podman_image {
	const struct manifest *manifest;
	const char *manifest_json;
	size_t manifest_len;
	const struct digest *digest; /* of the manifest */
	const struct config *config;
	const char *config_json;
	size_t config_len;
	const uint64_t *unpacked; /* bytes of each layer as a tar, 0: unknown; or NULL */
	bool again;               /* its files are written even if it is listed already */
};

/* The ID, as in containers/image, of a layer on top of `parent`; "": the lowest layer. */
struct digest podman_chain_id(const char *parent, const struct digest *diff_id);

/* How often an ID may be chained again and its layer, or image, is still found. */
#define PODMAN_CHAINED 4

/* Adds all layers of an image, which has at least one; returns the ID of the top one. */
struct digest podman_add_layers(struct podman *podman, const struct podman_image *image,
				const char *created);

/*
 * True if the layers of the image are listed, with `top` as the top one, and their files lead to
 * the published layers, whoever has listed them: the original ducc gives them other IDs, and links
 * of another form.  False for an image with the same layer twice.
 */
bool podman_has_layers(struct podman *podman, const struct podman_image *image, const char *top);

#endif

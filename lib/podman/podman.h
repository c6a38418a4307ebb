/*
 * Podman's view of a repository: podmanStore/, an additional image store of
 * containers/storage (overlay driver) over the published layers.
 *
 *   overlay-images/images.json    the images: names, top layer, what is kept of each
 *   overlay-images/ID/            manifest and config; ID is the digest of the config, or
 *                                 another one if an image with another manifest has that
 *   overlay-layers/layers.json    the layers; on another base a layer is another one (chain ID)
 *   overlay/ID/{diff,link,lower}  a layer: link to its files, its short name, what lies below
 *   overlay/l/SHORT               link to the layer of that short name
 *
 * The same images in the same order make the same bytes; nothing comes from the
 * clock.  What others put into the lists (the original ducc, Podman) stays, save
 * that a name belongs to the last image that has it: Podman reads no list with a
 * name twice.  An image of the original's that loses its name that way is dropped,
 * as the original did: it kept no manifest but that of the name.
 *
 * A struct podman owns all of its memory; release it with podman_free().
 */
#ifndef DUCC_PODMAN_H
#define DUCC_PODMAN_H

#include "format/image.h"
#include "podman/podman_list.h"

struct podman;

/*
 * Reads the two lists.  One that is not there (NULL) is empty.
 *
 * `root` is where clients have the repository, as in "/cvmfs/NAME".  If that is
 * not known (NULL) the links to the layers are relative: Podman runs the images
 * then, but can't build on them, commit or compare ("linkpath must be absolute").
 */
struct podman *podman_new(const char *root, const char *images_json, size_t images_len,
			  const char *layers_json, size_t layers_len, ducc_error **err);
void podman_free(struct podman *podman);

/* An image whose layers are published, or will be together with the store. */
struct podman_image {
	const struct manifest *manifest;
	const char *manifest_json;
	size_t manifest_len;
	const struct digest *digest; /* of the manifest */
	const struct config *config;
	const char *config_json;
	size_t config_len;
	const uint64_t *unpacked; /* bytes of each layer as a tar, 0: not known; or NULL */
};

/*
 * Lists the image, under `name` (as reference_name() makes it) if that is not NULL;
 * no other image has the name then.  An image that is listed already gets the name.
 *
 * Returns 0; 1 if it is listed without the name, because Podman can't parse that;
 * or -1 with *err set and nothing changed, if Podman can't have the image: too many
 * layers, or a manifest or config that Go can't read (go_json.h).  With such a name or image
 * in the list `podman images` fails.
 */
int podman_add(struct podman *podman, const char *name, const struct podman_image *image,
	       ducc_error **err);

/* The contrary, for an image that Podman can't have: nothing has the name, nor the ID, then. */
void podman_drop(struct podman *podman, const char *name, const struct podman_image *image);

/*
 * Hands over what is new or changed, each path once, and some links that may be
 * there already; nothing, if nothing is new.  images.json comes at the end: what
 * it leads to should be in place before it is.  Returns 0, or -1 as soon as the
 * target does.
 */
int podman_save(const struct podman *podman, const struct podman_target *target, ducc_error **err);

#endif

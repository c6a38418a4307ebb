/* Adding images to Podman's store (podman.h). */
#ifndef DUCC_PODMAN_ADD_H
#define DUCC_PODMAN_ADD_H

#include "base/context.h"
#include "podman/podman_layers.h"

/*
 * Lists the image, or adds to its existing entry.  If it is `named`, it gets its name
 * (REGISTRY/REPOSITORY:TAG), and, for Docker Hub, also the name that Podman uses; no other
 * image keeps these names.
 *
 * Warns about an image that Podman cannot use: one with too many layers, or with a manifest
 * or config that Go cannot decode (go_json.h), with which `podman images` would fail.  Such
 * an image is not listed; if it is named, no image keeps its names or its ID.  Also warns
 * about a name that Podman cannot parse; the image is then listed without it.
 *
 * Returns whether that changes the lists.
 */
bool podman_add(struct context *context, struct podman *podman, const char *name, bool named,
		const struct podman_image *image);

#endif

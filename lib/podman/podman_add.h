/* Adding images to Podman's store (podman.h). */
#ifndef DUCC_PODMAN_ADD_H
#define DUCC_PODMAN_ADD_H

#include "base/context.h"
#include "podman/podman_layers.h"

/*
 * Lists the image, or adds to its entry, under its name (REGISTRY/REPOSITORY:TAG) if it is
 * `named`; one of Docker Hub also as Podman calls it.  No other image has these names then.
 *
 * Warns of an image that Podman can't have: too many layers, or a manifest or config that Go
 * can't read (go_json.h); with it in the list `podman images` would fail.  It is not listed
 * then, and if it is named nothing has its names or its ID any more.  Warns also of a name
 * that Podman can't parse; the image is listed without it.
 */
void podman_add(struct context *context, struct podman *podman, const char *name, bool named,
		const struct podman_image *image);

#endif

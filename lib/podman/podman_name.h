/* The names of images as Podman's store has them. */
#ifndef DUCC_PODMAN_NAME_H
#define DUCC_PODMAN_NAME_H

#include <stdbool.h>

/* True for a name that Podman can parse; any other makes `podman images` fail. */
bool podman_name_is_valid(const char *name);

/*
 * Podman's users know Docker Hub by another name than a repository: the other name of an
 * image, to Podman or from it, allocated; NULL for images of other registries.
 */
char *podman_name_to_podman(const char *name);
char *podman_name_from_podman(const char *listed);

#endif

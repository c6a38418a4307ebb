/* The names of images in Podman's store. */
#ifndef DUCC_PODMAN_NAME_H
#define DUCC_PODMAN_NAME_H

#include <stdbool.h>

/* True for a name that Podman can parse; any other makes `podman images` fail. */
bool podman_name_is_valid(const char *name);

/*
 * Podman uses another name for Docker Hub than a repository does.  These convert the name of
 * an image, which the caller frees; NULL for images of other registries.
 */
char *podman_name_to_podman(const char *name);
char *podman_name_from_podman(const char *listed);

#endif

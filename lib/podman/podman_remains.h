/*
 * Remains in Podman's store (podman.h): directories and short names that are in no list, and listed
 * images that are published no longer.  They stay when a list was damaged and begun anew, or flat
 * trees were lost with their metadata; no removal of an image concerns them.
 */
#ifndef DUCC_PODMAN_REMAINS_H
#define DUCC_PODMAN_REMAINS_H

#include "podman/podman.h"
#include "repo/inventory.h"

/* False for a store without lists: they are lost, and everything would be remains. */
bool podman_has_lists(const struct repository *repository);

/* Adds what published images need of the lists: names, configs and layers. */
void podman_add_wanted(struct strset *wanted, const struct inventory *inventory);

/* Calls for what is in no list, whoever made it; the target of a short name, else NULL. */
struct podman_visit {
	void (*unlisted)(void *ctx, const char *path, const char *target);
	/* For what could not be read, with errno set. */
	void (*failed)(void *ctx, const char *path);
	void *ctx;
};

void podman_each_unlisted(const struct podman *podman, const struct podman_visit *visit);

/* True for a listed image that ducc has published, but is not among those wanted. */
bool podman_is_left(const struct podman *podman, const cJSON *image, const struct strset *wanted);

/*
 * Finds what is in no list, and was made by a publisher: Podman also has directories there before
 * they are listed.  Omits what publishing one of the images again would list.
 */
int podman_find_remains(struct strset *paths, const struct podman *podman,
			const struct inventory *inventory, ducc_error **err);

/* Sets *n to the number of these; 0 without lists, or if they are damaged. */
int podman_count_remains(size_t *n, const struct repository *repository,
			 const struct inventory *inventory, ducc_error **err);

#endif

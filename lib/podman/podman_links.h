/*
 * The short names of layers in Podman's store (podman.h).
 *
 * Before version 4.4, Podman hands the paths of all layers of an image to the kernel in one page of
 * mount options, so their length limits the number of layers.  Such a path is made of that of
 * podmanStore/overlay and of the text in `lower`, without regard to links.  Therefore the
 * text begins with "../" and leads to REPO_PODMAN_LINKS, a symbolic link to overlay/l in the
 * root of the repository; the path is then /cvmfs/NAME/.l/SHORT.
 *
 * Podman looks for the text in its own store and in all additional ones, and takes the first
 * path that exists, so no two layers on a client may have the same:
 *   - If the path of the repository on clients is known, the text contains it, and the short
 *     names are numbers.  None is given twice, even if its layer was removed: `lower` of what
 *     Podman has on top of that layer still contains it.
 *   - Otherwise, the short names are derived from the IDs of the layers.
 * The name is a member of the layer in layers.json, PODMAN_LINK.  Layers without it were listed by
 * earlier versions or by others; their text is "l/" and a longer name, derived from the ID.
 */
#ifndef DUCC_PODMAN_LINKS_H
#define DUCC_PODMAN_LINKS_H

#include "podman/podman_list.h"

struct podman_links {
	const struct repository *repository;
	char *root;     /* the repository's path on clients; NULL: unknown */
	uint64_t given; /* how many short names were given, if they are numbers */
	/* Which names are in use is unknown: nothing must be saved.  Or NULL. */
	ducc_error *error;
};

/* Reads how many numbers have been given; if that is damaged, at least those of the listed layers. */
void podman_links_read(struct podman_links *links, const struct repository *repository,
		       const cJSON *layers);
void podman_links_free(struct podman_links *links);

/* The content of PODMAN_COUNT; NULL: names are not numbers. */
char *podman_links_count(const struct podman_links *links);

/* Names a new layer; one that has a published directory keeps its name. */
void podman_links_name(struct podman_links *links, cJSON *layer);

/* The name of a listed layer in overlay/l, and the text for it in the files `lower` and `link`. */
char *podman_links_file(const cJSON *layer);
char *podman_links_lower(const struct podman_links *links, const cJSON *layer);
char *podman_links_link(const struct podman_links *links, const cJSON *layer);

#endif

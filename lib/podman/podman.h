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
 * This is the model of the two lists, read and indexed once.  podman_add.h adds images to
 * it, podman_remove.h removes them; podman_save() writes what has changed.  The model owns
 * all of its memory; release it with podman_free().
 */
#ifndef DUCC_PODMAN_H
#define DUCC_PODMAN_H

#include "base/strmap.h"
#include "podman/podman_list.h"

/* images.json or layers.json. */
struct indexed_list {
	cJSON *entries;
	struct strmap by_id; /* of struct listed_image or listed_layer */
	bool changed;
};

struct listed_image {
	cJSON *entry;  /* NULL: not listed any more */
	bool forsaken; /* one of the original's that has lost a name */
};

/*
 * The original ducc calls a layer after its diff ID whatever it lies on, and lists it again
 * for each base.
 */
struct listed_layer {
	cJSON *entry;              /* NULL: not listed any more */
	struct listed_layer *same; /* NULL, or another entry with this ID */
	bool linked;               /* its short name is among the outputs */
	unsigned marks;            /* podman_remove's */
};

/* A file or a symbolic link to write, beside the lists. */
struct podman_output {
	bool link;
	char *path, *data;
	size_t len;
};

struct podman {
	char *root; /* where clients have the repository; NULL: not known */
	struct indexed_list images, layers;
	struct strmap by_name; /* entry of the last image that took the name */
	cJSON *detached;       /* images that by_name may still have */
	struct podman_output *outputs;
	size_t n, capacity;
};

/* Reads and indexes the lists as they are published, with names that several images have. */
struct podman *podman_read(const struct repository *repository, ducc_error **err);

/* The same for adding images: each name belongs to one image only. */
struct podman *podman_open(const struct repository *repository, ducc_error **err);

void podman_free(struct podman *podman);

/* Appends an entry to a list; the caller has set its ID, which no other entry has. */
void podman_append_image(struct podman *podman, cJSON *entry);
void podman_append_layer(struct podman *podman, cJSON *entry);

/* Take an image, or all entries of a layer, off the list. */
void podman_detach_image(struct podman *podman, cJSON *entry);
void podman_detach_layer(struct podman *podman, struct listed_layer *layer);

/* Makes the name that image's alone. */
void podman_claim_name(struct podman *podman, cJSON *image, const char *name);

/* Takes the name from the image that has it. */
void podman_drop_name(struct podman *podman, const char *name);

/* Notes what to write beside the lists.  They take ownership of path. */
void podman_add_file(struct podman *podman, char *path, const char *data, size_t len);
void podman_add_link(struct podman *podman, char *path, const char *target);

/*
 * Adds to the transaction what is new or changed, and some links that may be there already;
 * nothing, if nothing is new.  images.json comes at the end: what it leads to should be in
 * place before it is.
 */
int podman_save(const struct podman *podman, struct transaction *transaction, ducc_error **err);

#endif

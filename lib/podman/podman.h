/*
 * Podman's view of a repository: podmanStore/, an additional image store of
 * containers/storage (overlay driver) over the published layers.
 *
 *   overlay-images/images.json    the images: names, top layer, stored documents
 *   overlay-images/ID/            manifest and config; ID is the digest of the config, or a
 *                                 chain ID if an image with another manifest has that digest
 *   overlay-layers/layers.json    the layers; ID is a chain ID, which depends on the base
 *   overlay/ID/{diff,link,lower}  a layer: link to its files, its short name, those below it
 *   overlay/l/SHORT               link to the layer with that short name: podman_links.h
 *   ducc-links                    how many short names were given, if they are numbers
 *
 * The same images in the same order result in the same bytes; nothing depends on the
 * clock.  Entries added by others (the original ducc, Podman) are kept, except that a name
 * belongs only to the last image that has it: Podman rejects a list in which a name occurs
 * twice.  An image of the original ducc that loses its only name in this way is dropped, as
 * the original did: its manifest is a link to the one published under that name.
 *
 * This is the model of the two lists, which are read and indexed once.  podman_add.h adds images to
 * it, podman_remove.h removes them; podman_save() writes what has changed.  The model owns
 * all of its memory; release it with podman_free().
 */
#ifndef DUCC_PODMAN_H
#define DUCC_PODMAN_H

#include "base/context.h"
#include "base/strmap.h"
#include "podman/podman_links.h"
#include "podman/podman_list.h"

/* images.json or layers.json. */
struct indexed_list {
	cJSON *entries;
	struct strmap by_id; /* of struct listed_image or listed_layer */
	bool changed;
};

struct listed_image {
	cJSON *entry;  /* NULL: no longer listed */
	bool forsaken; /* an image of the original ducc that has lost a name */
};

/*
 * The original ducc uses the diff ID of a layer as its ID, whatever its base, and lists the
 * layer once for each base.
 */
struct listed_layer {
	cJSON *entry;              /* NULL: no longer listed */
	struct listed_layer *same; /* NULL, or another entry with this ID */
	bool linked;               /* its short name is among the outputs; added in this run */
	unsigned marks;            /* for podman_remove.c */
};

/* A file or a symbolic link to write, in addition to the lists. */
struct podman_output {
	bool link;
	char *path, *data;
	size_t len;
};

struct podman {
	const struct repository *repository;
	struct podman_links links;
	struct indexed_list images, layers;
	struct strmap by_name; /* the entry of the last image that claimed the name */
	cJSON *detached;       /* images to which by_name may still refer */
	struct podman_output *outputs;
	size_t n, capacity;
	bool linked; /* REPO_PODMAN_LINKS is among the outputs */
	bool again;  /* an image was added again: the lists may differ from what is published */
	ducc_error *error; /* files of such an image could not be read: the model is wrong */
};

/* Reads and indexes the published lists, in which several images may have the same name. */
struct podman *podman_read(const struct repository *repository, ducc_error **err);

/* The same, for adding images: each name is left to one image only. */
struct podman *podman_open(const struct repository *repository, ducc_error **err);

/*
 * After a failure of one of these, with `error', which it takes over: if the lists are damaged and
 * `allowed', empty ones to replace them, with a warning; else NULL with *err set.
 */
struct podman *podman_new(struct context *context, const struct repository *repository,
			  bool allowed, ducc_error *error, ducc_error **err);

void podman_free(struct podman *podman);

/* Appends an entry to a list; the caller has set its ID, which no other entry has. */
void podman_append_image(struct podman *podman, cJSON *entry);
void podman_append_layer(struct podman *podman, cJSON *entry);

/* Remove an image, or all entries of a layer, from its list. */
void podman_detach_image(struct podman *podman, cJSON *entry);
void podman_detach_layer(struct podman *podman, struct listed_layer *layer);

/* Leaves the name to this image only. */
void podman_claim_name(struct podman *podman, cJSON *image, const char *name);

/* Takes the name from the image that has it. */
void podman_drop_name(struct podman *podman, const char *name);

/*
 * The target of a published symbolic link, which the caller frees, or NULL; a failure to read it
 * becomes podman->error.
 */
char *podman_read_link(struct podman *podman, const char *path);

/* Record what to write in addition to the lists.  Both take ownership of path. */
void podman_add_file(struct podman *podman, char *path, const char *data, size_t len);
void podman_add_link(struct podman *podman, char *path, const char *target);

/*
 * Adds everything new or changed to the transaction, and some links that may exist already;
 * adds nothing if nothing has changed.  images.json is last: everything that it refers to
 * should be in place before it.
 */
int podman_save(const struct podman *podman, struct transaction *transaction, ducc_error **err);

#endif

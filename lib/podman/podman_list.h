/*
 * The lists of Podman's store, images.json and layers.json (containers/storage), as JSON
 * arrays whose entries have been checked as far as they are used here.
 */
#ifndef DUCC_PODMAN_LIST_H
#define DUCC_PODMAN_LIST_H

#include "format/json.h"
#include "format/repo_paths.h"
#include "repo/transaction.h"

/* Places in a repository. */
#define PODMAN_IMAGE_DIRECTORY REPO_PODMAN "/overlay-images"
#define PODMAN_LAYER_DIRECTORY REPO_PODMAN "/overlay-layers"
#define PODMAN_IMAGES PODMAN_IMAGE_DIRECTORY "/images.json"
#define PODMAN_LAYERS PODMAN_LAYER_DIRECTORY "/layers.json"
#define PODMAN_OVERLAY REPO_PODMAN "/overlay"

/* Of a layer in layers.json: the blob whose files it has.  Podman does not know this member. */
#define PODMAN_BLOB "ducc-blob"

/* Reads one of the lists as it is published; it is empty if it does not exist. */
cJSON *podman_list_read(const struct repository *repository, const char *path, ducc_error **err);

/*
 * Writes one of the lists, one entry a line, and its lock.  A process that has the store
 * open reads the list again when the lock's content has changed.
 */
int podman_list_save_images(const cJSON *images, struct transaction *transaction, ducc_error **err);
int podman_list_save_layers(const cJSON *layers, struct transaction *transaction, ducc_error **err);

/* The string in an entry, or "" if it is not there. */
const char *podman_list_text(const cJSON *entry, const char *key);

/* An image's names (NULL: none), and the first of them. */
cJSON *podman_list_names(const cJSON *image);
const char *podman_list_first_name(const cJSON *image);

/* The item of an array of strings (or NULL) that is this string; NULL if none is. */
cJSON *podman_list_find_string(const cJSON *array, const char *value);

/* The digest of an image's config, as hex: its ID, unless another image has that. */
const char *podman_list_config(const cJSON *image);

/*
 * False for an image of the original's: its manifest is a link to that of its name.
 * Where it has lost that name, the one that is left must do for it.
 */
bool podman_list_has_manifest(const cJSON *image);
int podman_list_mend(const cJSON *image, struct transaction *transaction, ducc_error **err);

#endif

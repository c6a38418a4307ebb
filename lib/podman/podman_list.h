/*
 * The lists of Podman's store, images.json and layers.json (containers/storage), as JSON
 * arrays.  The types of all members that are used here have been checked.
 */
#ifndef DUCC_PODMAN_LIST_H
#define DUCC_PODMAN_LIST_H

#include "format/json.h"
#include "format/repo_paths.h"
#include "repo/transaction.h"

/* Paths in a repository. */
#define PODMAN_IMAGE_DIRECTORY REPO_PODMAN "/overlay-images"
#define PODMAN_LAYER_DIRECTORY REPO_PODMAN "/overlay-layers"
#define PODMAN_IMAGES PODMAN_IMAGE_DIRECTORY "/images.json"
#define PODMAN_IMAGES_LOCK PODMAN_IMAGE_DIRECTORY "/images.lock"
#define PODMAN_LAYERS PODMAN_LAYER_DIRECTORY "/layers.json"
#define PODMAN_LAYERS_LOCK PODMAN_LAYER_DIRECTORY "/layers.lock"
#define PODMAN_OVERLAY REPO_PODMAN "/overlay"

/* How many short names were given: podman_links.h. */
#define PODMAN_COUNT REPO_PODMAN "/ducc-links"

/* Members of a layer in layers.json: its blob, and its short name.  Podman ignores them. */
#define PODMAN_BLOB "ducc-blob"
#define PODMAN_LINK "ducc-link"

/* Reads one of the published lists; one that does not exist is empty. */
cJSON *podman_list_read(const struct repository *repository, const char *path, ducc_error **err);

/*
 * Writes one of the lists, one entry per line, and its lock file.  A process that has the
 * store open reads the list again when the content of the lock file has changed.
 */
int podman_list_save_images(const cJSON *images, struct transaction *transaction, ducc_error **err);
int podman_list_save_layers(const cJSON *layers, struct transaction *transaction, ducc_error **err);

/* The string member of an entry, or "" if it is absent. */
const char *podman_list_text(const cJSON *entry, const char *key);

/* An image's names (NULL: none), and the first of them. */
cJSON *podman_list_names(const cJSON *image);
const char *podman_list_first_name(const cJSON *image);

/* The item of an array of strings that equals `value`, or NULL; the array may be NULL. */
cJSON *podman_list_find_string(const cJSON *array, const char *value);

/* The digest of an image's config, in hex: its ID, unless another image has that ID. */
const char *podman_list_config(const cJSON *image);

/*
 * False for an image of the original ducc: its manifest is a link to the one published
 * under its name.  If it has lost that name, podman_list_mend() links to the manifest of its
 * first remaining name.
 */
bool podman_list_has_manifest(const cJSON *image);
/* The digest of an image's manifest, "sha256:HEX"; "" for one of the original ducc. */
const char *podman_list_manifest(const cJSON *image);
int podman_list_mend(const cJSON *image, struct transaction *transaction, ducc_error **err);

/*
 * The ID of the layer to which a short name in overlay/l leads, from the target of that link, or
 * "" if it is NULL or leads elsewhere.  The caller frees it.
 */
char *podman_layer_of_link(const char *target);

#endif

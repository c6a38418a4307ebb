/*
 * Paths in a repository, as defined in ducc-repository(5).
 *
 * The caller frees the returned strings.
 */
#ifndef DUCC_REPO_PATHS_H
#define DUCC_REPO_PATHS_H

#include "format/digest.h"

#define REPO_LAYERS ".layers"
#define REPO_FLAT ".flat"
#define REPO_METADATA ".metadata"
#define REPO_MULTIARCH ".multiarch"
#define REPO_PODMAN "podmanStore"
#define REPO_PODMAN_LINKS ".l" /* short: see podman_links.h */
#define REPO_SCHEDULE REPO_METADATA "/remove-schedule.json"
#define REPO_FAILING REPO_METADATA "/.failing"

/* The file with which a nested catalog of CernVM-FS begins, in any directory. */
#define CATALOG_MARKER ".cvmfscatalog"

/* ".layers/xx/HEX", the directory of the layer whose blob has that digest. */
char *layer_directory(const struct digest *layer);
/* ".layers/xx/HEX/layerfs[/PATH]": the layer's root directory, or an entry of it. */
char *layer_path(const struct digest *layer, const char *path);
/*
 * ".layers/xx/HEX/content": where a layer is whose "layerfs" is a symbolic link to it,
 * so that a layer that is published in several steps appears with the last.
 */
#define LAYER_CONTENT "content"
char *layer_content(const struct digest *layer);
/* ".layers/xx/HEX/.metadata/FILE" */
char *layer_metadata(const struct digest *layer, const char *file);
/* The layer's listing; it marks the layer as complete and published by ducc. */
char *layer_listing(const struct digest *layer);

/* ".flat/xx/ID": the flat tree of an image; ID is the digest of its config. */
char *flat_directory(const struct digest *config);
/* ".metadata/.flat/xx/ID.mtree": its listing; it marks the tree as complete and ours. */
char *flat_listing(const struct digest *config);

/* ".metadata/LABEL/FILE": metadata of an image. */
char *image_metadata(const char *label, const char *file);
/* ".multiarch/PLATFORM/NAME": the label and public name of an image for one platform. */
char *platform_label(const char *platform, const char *name);

/* The kind of tree whose directory is exactly `path`, and its digest. */
enum repo_tree { REPO_TREE_NONE, REPO_TREE_LAYER, REPO_TREE_FLAT };
enum repo_tree repo_tree_at(const char *path, struct digest *digest);

/* The directory and the listing of a tree of either kind, by the digest of its layer or config. */
char *repo_tree_directory(enum repo_tree kind, const struct digest *digest);
char *repo_tree_listing(enum repo_tree kind, const struct digest *digest);

#endif

/*
 * The names of a layer's entries (OCI image specification, "Image Layer Filesystem
 * Changeset"): their paths, and the names reserved by AUFS.
 */
#ifndef DUCC_LAYER_NAME_H
#define DUCC_LAYER_NAME_H

#include <stdbool.h>

#include "content/quota.h"

#define WHITEOUT_PREFIX ".wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"

/*
 * Converts the name of an entry to a path (path.h) by its text alone: removes empty
 * components, "." and, with the component before it, ".."; all names are relative to the
 * image's root, which is its own parent (as in containerd and umoci).  NULL if it is too
 * long, where the prefix of a whiteout does not count.  The caller frees it.
 */
char *layer_name_clean(const char *name, const struct ducc_limits *limits, ducc_error **err);

/* True for a component that is a whiteout or an opaque marker. */
bool layer_name_is_whiteout(const char *name, size_t len);

/*
 * True for AUFS's internal files (.wh..wh.plnk and the like), which are not part of the
 * image.
 */
bool layer_name_is_aufs(const char *path);

/* True for such a file that hard links of the same layer may be to. */
bool layer_name_is_aufs_link(const char *path);

#endif

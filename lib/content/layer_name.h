/*
 * The names of a layer's entries (OCI image specification, "Image Layer Filesystem
 * Changeset"): as paths, and with what AUFS has given a meaning.
 */
#ifndef DUCC_LAYER_NAME_H
#define DUCC_LAYER_NAME_H

#include <stdbool.h>

#include "content/quota.h"

#define WHITEOUT_PREFIX ".wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"

/*
 * The name of an entry as a path (path.h): without empty components and ".", an absolute
 * one relative to the image's root.  NULL if it has "..", or is too long.  The caller
 * frees it.
 */
char *layer_name_clean(const char *name, const struct ducc_limits *limits, ducc_error **err);

/* True for a component that is a whiteout, or the marker of an opaque directory. */
bool layer_name_is_whiteout(const char *name, size_t len);

/*
 * True for AUFS's bookkeeping (.wh..wh.plnk and the like), which says nothing about the
 * image.
 */
bool layer_name_is_aufs(const char *path);

#endif

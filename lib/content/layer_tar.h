/*
 * Reading the tar of a layer in the store, which tarball.h wrote.
 */
#ifndef DUCC_LAYER_TAR_H
#define DUCC_LAYER_TAR_H

#include "base/error.h"
#include "base/mem.h"
#include "format/digest.h"

struct archive;
struct archive_entry;

struct layer_tar {
	struct archive *archive;
	struct archive_entry *entry; /* the current one */
	char *prefix;                /* of all names */
	bool has_content;            /* the current entry is a regular file, not a hard link */
};

/*
 * Reads the tar at the current offset of `fd`, which the caller owns.  Release it with
 * layer_tar_close(), even after a failure.
 */
int layer_tar_open(struct layer_tar *tar, int fd, const struct digest *layer, ducc_error **err);
void layer_tar_close(struct layer_tar *tar);

/*
 * Goes to the next entry: returns 1, and in *path its path in the layer ("": the root), valid
 * until the next call; 0 at the end; or -1.
 */
int layer_tar_next(struct layer_tar *tar, const char **path, ducc_error **err);

/* The next piece of the content of the current entry: 1, 0 at the end, or -1. */
int layer_tar_read(struct layer_tar *tar, const void **data, size_t *len, ducc_error **err);

#define AUTO_LAYER_TAR CLEANUP(layer_tar_close) struct layer_tar

#endif

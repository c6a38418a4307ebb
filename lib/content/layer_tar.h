/*
 * Reading the tar of a layer in the store, which tarball.h wrote, and checking it against the
 * layer's listing: a store can be damaged.
 */
#ifndef DUCC_LAYER_TAR_H
#define DUCC_LAYER_TAR_H

#include "base/error.h"
#include "base/mem.h"
#include "base/progress.h"
#include "content/tar_reader.h"
#include "content/tree.h"

struct layer_tar {
	struct tar_reader *reader;
	const struct tar_entry *entry; /* the current one */
	struct hasher *hasher;
	int fd;
	const struct digest *layer;
	char *prefix;     /* of all names */
	bool has_content; /* the current entry is a regular file, and no hard link */
	struct progress progress;
	char *name; /* of the layer, for its progress */
};

/* Reads the tar in `fd`; the caller keeps the arguments.  Release it with layer_tar_close(). */
void layer_tar_open(struct layer_tar *tar, int fd, const struct digest *layer);
void layer_tar_close(struct layer_tar *tar);

/* From now on, reports how much of the tar has been read.  The other functions can be cancelled. */
void layer_tar_report(struct layer_tar *tar, struct context *context, enum ducc_activity activity);

/*
 * Goes to the next entry: returns 1, and in *path its path in the layer ("": the root), valid
 * until the next call; 0 at the end; or -1.
 */
int layer_tar_next(struct layer_tar *tar, const char **path, ducc_error **err);

/*
 * Finds the node of the current entry in the layer's listing, and marks it as used.  Returns 1; 0
 * if another image has added the entry since the listing was read; -1 if it must be in the
 * listing, but is not, or with other metadata.
 *
 * Whatever images add to a layer (settle.h), hard links into lower layers included, comes from the
 * listing: the tar may have more of it, or less, or other, for other images.
 */
int layer_tar_node(struct layer_tar *tar, struct tree *tree, const char *path, struct node **node,
		   ducc_error **err);
/* After the last entry: fails if something that was not added is in the listing alone. */
int layer_tar_check_end(struct tree *tree, ducc_error **err);

/*
 * Passes the content of the current entry to write(), which returns 0, or -1 with *err set.
 * Fails as well if the content is not that of the file in the listing.
 */
int layer_tar_copy(struct layer_tar *tar, const struct file *file,
		   int (*write)(void *ctx, const void *data, size_t len, ducc_error **err),
		   void *ctx, ducc_error **err);

#define AUTO_LAYER_TAR CLEANUP(layer_tar_close) struct layer_tar

#endif

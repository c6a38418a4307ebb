/*
 * What a publish into CernVM-FS sends beside layers: flat trees as hard links onto the
 * files of layers, metadata, links.  It is a tar for `cvmfs_server ingest`, in a
 * temporary file without a name.
 *
 * Ingest wants a tar to name every directory before anything in it, to have each name
 * once, and to tell by a file .cvmfscatalog where a catalog begins.
 */
#ifndef DUCC_PAYLOAD_H
#define DUCC_PAYLOAD_H

#include "base/context.h"
#include "base/strset.h"
#include "content/listing.h"
#include "content/tarball.h"
#include "repo/repository.h"
#include "store/store.h"

struct payload {
	struct context *context;
	const struct repository *repository;
	time_t now; /* of what has no time of its own */
	int fd;     /* of the tar */
	struct tarball *tarball;
	struct strset names; /* of directories and catalog markers that are in it */
	bool broken;         /* something was lost: it can't be sent */
};

int payload_open(struct payload *payload, struct context *context, const struct store *store,
		 const struct repository *repository, ducc_error **err);
void payload_close(struct payload *payload);

/* How far it is, and back to there; {0, 0} is the beginning. */
struct payload_mark {
	size_t names;
	uint64_t offset;
};
struct payload_mark payload_mark(struct payload *payload);
void payload_reset(struct payload *payload, struct payload_mark mark);

/* Writes all of it, *size bytes, which end without the trailer of a tar. */
int payload_finish(struct payload *payload, uint64_t *size, ducc_error **err);

/*
 * Names the directories above `path` that are not named yet.  Those at the top that
 * hold the bulk get catalogs, so that the root's, which every client loads and every
 * publish changes, stays small.
 */
int payload_add_parents(struct payload *payload, const char *path, ducc_error **err);

/* Adds a file with its content, file->size bytes; its parents must be named. */
int payload_add_data(struct payload *payload, const char *path, const struct file *file,
		     const void *data, ducc_error **err);

/* Adds the listing of a layer, with its parents. */
int payload_add_listing(struct payload *payload, const struct listing_head *head, struct tree *tree,
			ducc_error **err);

/*
 * Places the catalogs of a layer or flat tree: `directory` is where its own begins, if
 * it is large enough, else the directory above gets one, when there is enough in it;
 * `inside` is where the tree itself is.  listing(): see catalogs_count_small().
 */
int payload_add_catalogs(struct payload *payload, const char *directory, const char *inside,
			 struct tree *tree, char *(*listing)(const struct digest *digest),
			 ducc_error **err);

#endif

/*
 * The data that a publish into CernVM-FS sends in addition to layers: flat trees as hard
 * links to the files of layers, metadata, links.  It is a tar for `cvmfs_server ingest`, in
 * an unnamed temporary file.
 *
 * Ingest requires that a tar contain every directory before its content, and each name only
 * once.  A file .cvmfscatalog marks the beginning of a catalog.
 */
#ifndef DUCC_PAYLOAD_H
#define DUCC_PAYLOAD_H

#include "base/context.h"
#include "base/strset.h"
#include "content/listing.h"
#include "content/tarball.h"
#include "format/repo_paths.h"
#include "repo/repository.h"
#include "store/store.h"

/* What errors call its file, which has no name. */
#define PAYLOAD "payload, in tmp/ of the store"

struct payload {
	struct context *context;
	const struct repository *repository;
	time_t now; /* mtime of entries that are not part of an image */
	int fd;     /* of the tar */
	struct tarball *tarball;
	struct strset names; /* of directories and catalog markers in the tar */
	bool broken;         /* data was lost: it cannot be sent */
};

int payload_open(struct payload *payload, struct context *context, const struct store *store,
		 const struct repository *repository, ducc_error **err);
void payload_close(struct payload *payload);

/* A position in the payload, and how to return to it; {0, 0} is the beginning. */
struct payload_mark {
	size_t names;
	uint64_t offset;
};
struct payload_mark payload_mark(struct payload *payload);
void payload_reset(struct payload *payload, struct payload_mark mark);

/* Completes it; *size becomes its size in bytes, without a tar trailer. */
int payload_finish(struct payload *payload, uint64_t *size, ducc_error **err);

/*
 * Adds the parent directories of `path` that are not in the tar yet.  The large top-level
 * ones get catalogs, so that the root catalog, which every client loads and every publish
 * changes, stays small.
 */
int payload_add_parents(struct payload *payload, const char *path, ducc_error **err);

/* Adds a file with its content, file->size bytes; its parents must have been added. */
int payload_add_data(struct payload *payload, const char *path, const struct file *file,
		     const void *data, ducc_error **err);

/* Adds the listing of a layer, with its parents. */
int payload_add_listing(struct payload *payload, const struct listing_head *head, struct tree *tree,
			ducc_error **err);

/*
 * Places the catalogs of a layer or flat tree at `inside`.  A large one gets a catalog at
 * `directory`; for a small one, the directory above gets a catalog if that has enough
 * entries.
 */
int payload_add_catalogs(struct payload *payload, const char *directory, const char *inside,
			 struct tree *tree, enum repo_tree kind, ducc_error **err);

#endif

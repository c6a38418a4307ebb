/*
 * The second road into CernVM-FS: files that an ingest cannot publish as they should be.
 *
 * An ingest stores every file whole, so that a client that needs a part of it fetches all of
 * it; `cvmfs_server publish' splits large files into chunks.  An ingest can make a hard link
 * to a published file, but only with all its metadata, and not if that is in chunks; a
 * transaction can graft the content.  So large files of new layers, and grafts, are staged:
 * published in one or two transactions before the ingest, which contains all the rest.
 *
 * Until the ingest, nothing refers to what is staged.  The content of a layer with staged
 * files is in the directory "content"; "layerfs" is a symbolic link to it, which comes
 * with the ingest.  Flat trees have no name before that.  A journal in the spool directory
 * names the directories of staged trees, so that the next publisher can remove them.
 *
 * This room decides what is staged; stages.h publishes it.
 */
#ifndef DUCC_STAGING_H
#define DUCC_STAGING_H

#include "base/context.h"
#include "base/strmap.h"
#include "cvmfs/complete.h"
#include "cvmfs/staged_tree.h"
#include "store/store.h"

struct staging {
	struct context *context;
	const struct store *store;
	const struct repository *repository;
	const struct strset *added; /* directories of trees that the transaction adds */
	uint64_t limit;             /* larger files are staged; CHUNKING_NEVER: none */
	bool possible;              /* this machine can stage anything */
	bool told;                  /* that it cannot */
	bool crowded;               /* the scratch space does not suffice for a tree */
	uint64_t room;              /* bytes free in the scratch space */
	uint64_t bytes;             /* of pending files to be written there ... */
	uint64_t before;            /* ... at the last mark */
	uint64_t twice;             /* those written again, to save a second stage */
	struct strset layers;       /* directories of new layers */
	struct strset splits;       /* published files that are written again, to be split */
	size_t published;           /* the first trees are: not pending */
	struct strmap trees;        /* by directory */
	struct strmap layouts;      /* of published layers, by digest */
	struct strset chunks;       /* published files that are in chunks ... */
	struct strset wholes;       /* ... and those that could be, but are not */
	struct complete complete;   /* those that have all their files */
};

/*
 * limit: see chunk_bytes in ducc.h; added: the directories of trees that the transaction adds.  After a
 * failure, too, the staging is to be freed.
 */
int staging_init(struct staging *staging, struct context *context, const struct store *store,
		 const struct repository *repository, const struct strset *added, uint64_t limit,
		 ducc_error **err);
void staging_free(struct staging *staging);

/* A state of the staging, and how to return to it: {0} is nothing but what is published. */
struct staging_mark {
	size_t trees, layers, splits;
	uint64_t bytes, twice;
};
struct staging_mark staging_mark(struct staging *staging);
void staging_reset(struct staging *staging, struct staging_mark mark);

/* The tree at that directory; NULL: nothing is special about it. */
const struct staged_tree *staging_find(const struct staging *staging, const char *directory);

/* True if the tree at that directory has been staged and published by us. */
bool staging_has_published(const struct staging *staging, const char *directory);

/* Decides for each file of a new layer how it is published.  Before stages_publish(). */
const struct staged_tree *staging_add_layer(struct staging *staging, const char *directory,
					    struct tree *tree, const struct digest *layer);
/* The same for a flat tree, whose layers have been added or published. */
const struct staged_tree *staging_add_flat(struct staging *staging, const char *directory,
					   struct tree *tree);

/* Writes a published file again, so that it is split; false if it is, or cannot be. */
bool staging_add_split(struct staging *staging, const char *path, uint64_t size);

/* Where the content of a file of a layer is. */
struct location {
	char *path; /* in the repository, without symbolic links; the caller frees it */
	int error;  /* errno value if that could not be found out: then path is NULL */
	enum {
		LOCATION_WHOLE,  /* a hard link to it is possible, in the ingest */
		LOCATION_CHUNKS, /* published in chunks */
		LOCATION_STAGED, /* will be, by the first stage */
	} kind;
	bool published; /* it is already ... */
	bool certain;   /* ... and certainly there */
	bool split;     /* it came by a transaction: if it is whole, it is too small to be split */
};
struct location staging_locate(struct staging *staging, const struct digest *layer,
			       const char *path, uint64_t size);

/*
 * Adds a layer or flat tree that replaces one in place: nothing in it is staged.  Returns NULL, as
 * there is nothing special about it.
 */
const struct staged_tree *staging_add_whole(struct staging *staging, const char *directory);

/* Notes new layers that are published, all of them as they were decided (complete.h). */
void staging_note_complete(const struct staging *staging, const struct digest *layers, size_t n);

/* True if something is still to be published in that stage. */
bool staging_is_pending(const struct staging *staging, int stage);

/* 1 if the published regular file exists and has that size, 0 if not; -1 with errno set. */
int staging_is_there(const struct repository *repository, const char *path, uint64_t size);

#endif

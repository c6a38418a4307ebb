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
 */
#ifndef DUCC_STAGING_H
#define DUCC_STAGING_H

#include "base/context.h"
#include "base/strmap.h"
#include "content/tree.h"
#include "repo/repository.h"
#include "store/store.h"

/* In the first stage, files are written, and published content is grafted; in the second, what
 * the first has published. */
enum { STAGES = 2 };

/* What is special about a layer or a flat tree that is added. */
struct staged_tree {
	char *directory;     /* in the repository */
	char *root;          /* where its files are: in the directory, or the same */
	struct digest layer; /* "": it is a flat tree */
	/* The staged files with their parent directories; NULL: none. */
	struct tree *stages[STAGES];
	/* Files that are sent as hard links: file->target is the path they link to. */
	struct tree *links;
	uint64_t bytes; /* of files that the first stage writes */
};

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
	uint64_t bytes;             /* of pending files to be written there */
	struct strset splits;       /* published files that are written again, to be split */
	size_t published;           /* the first trees are: not pending */
	struct strmap trees;        /* by directory */
	struct strmap roots;        /* roots of published layers, by digest */
};

/* limit: see chunk_bytes in ducc.h; added: the directories of trees that the transaction adds. */
void staging_init(struct staging *staging, struct context *context, const struct store *store,
		  const struct repository *repository, const struct strset *added, uint64_t limit);
void staging_free(struct staging *staging);

/* A state of the staging, and how to return to it: {0} is nothing but what is published. */
struct staging_mark {
	size_t trees, splits;
	uint64_t bytes;
};
struct staging_mark staging_mark(const struct staging *staging);
void staging_reset(struct staging *staging, struct staging_mark mark);

/* The tree at that directory; NULL: nothing is special about it. */
const struct staged_tree *staging_find(const struct staging *staging, const char *directory);

/* True if the tree at that directory has been staged and published by us. */
bool staging_has_published(const struct staging *staging, const char *directory);

/*
 * The file at a path in the tree, if there is something special about it: it is staged, or, if it
 * has a target but no text, to be sent as a hard link.  Else NULL.  The tree may be NULL.
 */
const struct file *staging_special(const struct staged_tree *staged, const char *path);

/* Decides for each file of a new layer how it is published.  Before staging_publish(). */
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
	enum {
		LOCATION_WHOLE,  /* a hard link to it is possible, in the ingest */
		LOCATION_CHUNKS, /* published in chunks */
		LOCATION_STAGED, /* will be, by the first stage */
	} kind;
	bool published; /* it is already */
	bool split;     /* it came by a transaction: if it is whole, it is too small to be split */
};
struct location staging_locate(struct staging *staging, const struct digest *layer,
			       const char *path, uint64_t size);

/* True if there are trees with staged files that are not published yet. */
bool staging_is_pending(const struct staging *staging);

/*
 * Publishes what is pending, in one or two transactions.  Returns 0; 1: others have changed the
 * repository since *revision, and nothing is published; -1.  *revision becomes that of our last
 * transaction; *changed: others have changed the repository between ours.
 */
int staging_publish(struct staging *staging, char **revision, bool *changed, ducc_error **err);

/* After others have changed the repository: fails if something of what we published is gone. */
int staging_check(const struct staging *staging, ducc_error **err);

/* All of it is complete: forgets the journal. */
void staging_done(const struct staging *staging);

/*
 * Removes whatever staged trees an earlier publisher left behind incomplete, or this one.  The
 * caller holds the lock of the spool directory, and no transaction is open.
 */
int staging_clear_up(struct context *context, const struct repository *repository,
		     ducc_error **err);

/* The hash of the root catalog in the publisher's mount, which the caller frees; NULL: unknown. */
char *staging_revision(const struct repository *repository);

#endif

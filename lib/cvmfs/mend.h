/*
 * Mending published trees: replacing them in place.
 *
 * An ingest replaces a file by a file, and adds what is missing; what is sound stays readable
 * all the time.  It cannot remove an entry, change its type, or the metadata of a directory: that
 * is done before, in a transaction, and is all that readers see of a tree before the ingest.
 *
 * Whiteouts in the form of AUFS, as the original DUCC has published them, are a case of their own.
 * In a transaction, CernVM-FS takes whatever happens to .wh.NAME for a removal of NAME, and it
 * crashes if a directory is removed that contains such a file.  So they are removed with an
 * ingest, before the transaction.
 */
#ifndef DUCC_MEND_H
#define DUCC_MEND_H

#include "base/context.h"
#include "base/strmap.h"
#include "content/tree.h"
#include "repo/repository.h"

struct mending {
	struct strset trees;       /* directories of trees that are replaced */
	struct strset removals;    /* paths of entries to remove ... */
	struct strset whiteouts;   /* ... and of those of AUFS */
	struct strmap directories; /* of struct file, the metadata that they are to have */
	bool done;                 /* mending_run() has succeeded before */
};

/*
 * Replaces the layer or flat tree in `directory`, which is there: compares what is at `root`, its
 * root, with the tree that is to be there.  Changes flags of its nodes.  -1 with *err set if
 * something could not be looked at.
 */
int mending_add(struct mending *mending, struct context *context,
		const struct repository *repository, const char *directory, const char *root,
		struct tree *tree, bool is_layer, ducc_error **err);

/* True if there is something to do; once done, only for removals: not all metadata may be set. */
bool mending_is_pending(const struct mending *mending);

/* Does it, in transactions of its own; then nothing is pending. */
int mending_run(struct mending *mending, struct context *context,
		const struct repository *repository, ducc_error **err);

/* A state, and how to return to it; {0} is nothing. */
struct mending_mark {
	size_t removals, whiteouts, directories;
};
struct mending_mark mending_mark(const struct mending *mending);
void mending_reset(struct mending *mending, struct mending_mark mark);
void mending_free(struct mending *mending);

/*
 * Removes whiteouts of AUFS from a directory that a transaction is to remove; 1: there were some.
 */
int mending_prepare_removal(struct context *context, const struct repository *repository,
			    const char *path, ducc_error **err);

#endif

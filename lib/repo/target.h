/*
 * A kind of repository: its properties, and the operations of a transaction on it.
 *
 * directory.c and cvmfs/cvmfs.c each define one; jobs/targets.c lists them.  A kind does
 * not handle images, but trees and single entries, each as metadata (struct file) with the
 * location of its content (struct content), and paths to remove.
 *
 * Operations are required unless a comment allows NULL.  Readers, and ducc itself, find
 * published content in the local directory repository->path; ducc publishes what is missing
 * there.
 */
#ifndef DUCC_TARGET_H
#define DUCC_TARGET_H

#include "base/context.h"
#include "base/strset.h"
#include "content/listing.h"
#include "repo/file_content.h"
#include "repo/repository.h"
#include "store/store.h"

struct transaction;

struct target {
	/* --- the repository ----------------------------------------------- */

	/* True if a repository of that name is of this kind. */
	bool (*is_name)(const char *name);
	/*
	 * Sets repository->path, ->metadata_only and ->shared; `store` is the path of the store.  Returns 1
	 * if the repository can be read, 0 if not, -1 on error.
	 */
	int (*find)(struct repository *repository, const char *store, ducc_error **err);
	/* Its URL in thin images, allocated; NULL on error. */
	char *(*url)(const struct repository *repository, ducc_error **err);
	/* Its path for every reader, allocated; NULL if that depends on the reader. */
	char *(*root)(const struct repository *repository);
	/*
	 * Frees storage to which no revision refers, during a transaction after its commit.
	 * NULL: removal does that.
	 */
	int (*collect)(const struct repository *repository, struct context *context,
		       ducc_error **err);
	/*
	 * For a reader: waits for the transaction of this machine that is under way.  There is none
	 * until the descriptor that is returned is closed; -1 with *err set if that is impossible.
	 */
	int (*hold)(const struct repository *repository, struct context *context, ducc_error **err);
	/*
	 * Identifies the revision that a reader sees, which is constant as long as that stays the same;
	 * allocated; NULL: unknown.  Or NULL: there are none.
	 */
	char *(*revision)(const struct repository *repository);
	/* The first transaction creates the repository. */
	bool created;
	/* Symbolic links may contain $(VARIABLE), which the reader's host expands. */
	bool variants;
	/* Entries keep no extended attributes, hard links and parts of a second. */
	bool reduces;
	/*
	 * Checks whether the kind has stored the content of a published regular file so that it
	 * can be read, without reading it: 0, or -1 with *err set.  NULL: there is no way.
	 */
	int (*check_file)(const struct repository *repository, const char *path, uint64_t size,
			  ducc_error **err);
	/*
	 * The removal of layers and flat trees takes long, and is fast only in transactions
	 * that do nothing else: see gc.c.
	 */
	bool removes_later;

	/* --- a transaction; see transaction.h ------------------------------ */

	/*
	 * Begins one; its structure starts with a struct transaction, in which everything but
	 * the arguments and the target is zero.  May call find() again; sets repository->path
	 * if the repository has only now become readable.  NULL on error.
	 */
	struct transaction *(*begin)(struct context *context, const struct store *store,
				     struct repository *repository, ducc_error **err);
	/*
	 * Adds a tree with its root at `root`, which is `directory` or beneath it; replaces
	 * `directory`.  own: the layer of the tree, or NULL if it is not a layer.
	 */
	int (*tree)(struct transaction *transaction, const char *directory, const char *root,
		    struct tree *tree, const struct digest *own, ducc_error **err);
	/* See transaction_split().  NULL: files are not split. */
	void (*split)(struct transaction *transaction, const char *root, struct tree *tree);
	/* See transaction_complete_layer(). */
	int (*complete)(struct transaction *transaction, const struct listing_head *head,
			struct tree *tree, const struct tree *published, const struct tree *needed,
			ducc_error **err);
	/*
	 * Adds a regular file or symbolic link, replacing an existing one; `path` may be in a
	 * directory that tree() has added in this transaction.
	 */
	int (*entry)(struct transaction *transaction, const char *path, const struct file *file,
		     const struct content *content, ducc_error **err);
	/* See transaction_open_directory(); counts as a step if it is one.  NULL: there is no way. */
	int (*open_directory)(struct transaction *transaction, const char *path, mode_t mode,
			      ducc_error **err);
	int (*remove)(struct transaction *transaction, const char *path, ducc_error **err);
	/* See transaction_discard().  NULL: removals need no space in the repository. */
	int (*discard)(struct transaction *transaction, const struct strset *paths,
		       ducc_error **err);
	/*
	 * Removes an obstacle (repository_find_obstacle()) before all additions; it may be removed
	 * already, for another addition.
	 */
	int (*clear)(struct transaction *transaction, const char *path, ducc_error **err);
	/* For the kind's own state only; restore() returns to the last save, or to nothing. */
	void (*save)(struct transaction *transaction);
	void (*restore)(struct transaction *transaction, bool nothing);
	/*
	 * See transaction_open().  1: the repository has changed since begin() or the last call;
	 * everything is added again, and this is called again.
	 */
	int (*open)(struct transaction *transaction, ducc_error **err);
	/*
	 * See transaction_commit().  If readers can see a partial commit, symbolic links outside
	 * podmanStore must appear after all other additions, and removals last; additions after a
	 * removal, and removals, in the order of the calls.
	 */
	int (*commit)(struct transaction *transaction, ducc_error **err);
	/* Releases the transaction, undoing what is not committed. */
	void (*end)(struct transaction *transaction);
};

#endif

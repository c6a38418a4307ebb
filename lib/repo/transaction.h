/*
 * A transaction on a repository: all additions become visible, or none.  Removals follow
 * after that.
 *
 * The implementation depends on the kind of repository (target.h).  There is one transaction
 * at a time: transaction_begin() waits for others.
 *
 * A function that fails may have made some of its additions: the caller restores the saved
 * state, or ends the transaction.  Adding an entry that already exists has no effect.
 */
#ifndef DUCC_TRANSACTION_H
#define DUCC_TRANSACTION_H

#include "base/context.h"
#include "base/strset.h"
#include "content/listing.h"
#include "repo/repository.h"
#include "store/store.h"

/*
 * What becomes of the files of new layers: they are sent with their content; linked to published
 * files, or share their blocks; are entries of CernVM-FS for known content; are sent in chunks.
 */
enum way { SENT, LINKED, GRAFTED, CHUNKED, N_WAYS };
struct amounts {
	struct amount by[N_WAYS];
};

/* The common part of all transactions; a kind's own structure begins with it. */
struct transaction {
	const struct target *target;
	struct context *context;
	const struct store *store;
	const struct repository *repository;
	struct strset added;    /* directories of layers and flat trees */
	uint64_t bytes;         /* of new layers */
	size_t steps;           /* additions and removals */
	bool replaces;          /* additions replace whatever is in their way; the caller sets it */
	bool crowded;           /* not all was added in the best way: for that, there is too much */
	struct amounts amounts; /* counted by the operations of the target */
	struct {
		size_t added, steps;
		uint64_t bytes;
		struct amounts amounts;
	} saved;
};

/*
 * Begins a transaction; creates the repository if its kind is created that way.  The caller
 * keeps all arguments, which must outlive the transaction.
 */
struct transaction *transaction_begin(struct context *context, const struct store *store,
				      struct repository *repository, ducc_error **err);

/* True if the layer or flat tree with this directory has been added. */
bool transaction_adds(const struct transaction *transaction, const char *directory);

/*
 * Adds a layer, from its tar in the store and its listing; `json` becomes its
 * layers.json.  Replaces an existing directory that ducc did not publish.
 */
int transaction_add_layer(struct transaction *transaction, const struct listing_head *head,
			  struct tree *tree, const char *json, ducc_error **err);

/*
 * Adds to a published layer the whiteouts and implied directories that are in `tree`, but
 * not in `published`, its current listing; and replaces the listing.  What the repository cannot have
 * fails if it is in `needed`, too; else it is removed from `tree`.
 */
int transaction_complete_layer(struct transaction *transaction, const struct listing_head *head,
			       struct tree *tree, const struct tree *published,
			       const struct tree *needed, ducc_error **err);

/*
 * Publishes the files of a published tree again that are larger than those that are split into
 * chunks, but are not split.
 */
void transaction_split(struct transaction *transaction, const char *root, struct tree *tree);

/* Adds a flat tree, whose files come from layers that are published or added. */
int transaction_add_flat(struct transaction *transaction, const char *directory, struct tree *tree,
			 ducc_error **err);

/*
 * Adds a file, replacing an existing one with another content; if `replaces` is set, also one with
 * another mode or owner, and whatever is of another type.
 */
int transaction_add_file(struct transaction *transaction, const char *path, const void *data,
			 size_t len, ducc_error **err);

/* The same, as if `replaces` were set. */
int transaction_replace_file(struct transaction *transaction, const char *path, const void *data,
			     size_t len, ducc_error **err);

/* Adds a hard link to the file `to`, which is published or added. */
int transaction_add_hardlink(struct transaction *transaction, const char *path, const char *to,
			     ducc_error **err);

/*
 * Adds a symbolic link, replacing an existing one.  Public names are symbolic links; they
 * become visible after everything else.
 */
int transaction_add_symlink(struct transaction *transaction, const char *path, const char *target,
			    ducc_error **err);

/* Gives a directory of the repository's structure (structure.h) this mode, if possible. */
int transaction_open_directory(struct transaction *transaction, const char *path, mode_t mode,
			       ducc_error **err);

/*
 * Removes `path`, and its parent directories that are then empty, in the same commit as additions.
 * What is removed, and what is added after the first removal, changes in the order of the calls.  A
 * transaction with removals adds no layers or flat trees.
 */
int transaction_remove(struct transaction *transaction, const char *path, ducc_error **err);

/*
 * Removes these paths at once and durably, whatever becomes of the transaction: in a full
 * repository, there may be no space for one otherwise.
 */
int transaction_discard(struct transaction *transaction, const struct strset *paths,
			ducc_error **err);

bool transaction_is_empty(const struct transaction *transaction);

/* Saves the state of the transaction, to which transaction_restore() returns. */
void transaction_save(struct transaction *transaction);
void transaction_restore(struct transaction *transaction);
/* Drops all additions and removals. */
void transaction_clear(struct transaction *transaction);

/*
 * Prevents changes by others until the end.  If the repository has changed since the beginning,
 * drops all additions and removals, and calls repeat() to add whatever is still necessary.
 */
int transaction_open(struct transaction *transaction, int (*repeat)(void *ctx, ducc_error **err),
		     void *ctx, ducc_error **err);

/* Makes the additions visible, durably.  Requires transaction_open(). */
int transaction_commit(struct transaction *transaction, ducc_error **err);

/* Drops whatever is not committed, and releases the repository.  NULL is allowed. */
void transaction_end(struct transaction *transaction);

#endif

/*
 * A transaction on a repository: everything that is added becomes visible, or
 * nothing.  What is removed goes after that.
 *
 * What a transaction is, each kind of repository says in a struct target:
 * directory.c, cvmfs.c.  One transaction at a time: begin waits for others.
 *
 * What is added for an image that fails after all is taken back with a mark.
 * Adding what is there already adds nothing.  A function that fails may have added
 * a part: the caller resets to a mark, or ends the transaction.
 */
#ifndef DUCC_TRANSACTION_H
#define DUCC_TRANSACTION_H

#include "content/listing.h"
#include "cvmfs/payload.h"
#include "repo/repository.h"
#include "base/context.h"
#include "store/store.h"
#include "base/strset.h"

struct transaction_mark {
	size_t added, steps, layers, removals, removed, probes;
	uint64_t bytes;
	struct payload_mark payload;
};

struct target;

/* What every transaction has; a target's own structure begins with it. */
struct transaction {
	const struct target *target;
	struct context *context;
	const struct store *store;
	const struct repository *repository;
	struct strset added; /* directories of layers and flat trees */
	uint64_t bytes;      /* that new layers have */
};

struct target {
	/* The same as the functions below. */
	int (*layer)(struct transaction *transaction, const struct listing_head *head,
		     struct tree *tree, const char *json, ducc_error **err);
	int (*complete)(struct transaction *transaction, const struct listing_head *head,
			struct tree *tree, const struct tree *published, ducc_error **err);
	int (*flat)(struct transaction *transaction, const char *directory, struct tree *tree,
		    ducc_error **err);
	int (*file)(struct transaction *transaction, const char *path, const void *data, size_t len,
		    ducc_error **err);
	int (*hardlink)(struct transaction *transaction, const char *path, const char *to,
			ducc_error **err);
	int (*symlink)(struct transaction *transaction, const char *path, const char *target,
		       ducc_error **err);
	int (*remove)(struct transaction *transaction, const char *path, ducc_error **err);
	/* Only what the kind itself counts. */
	void (*mark)(const struct transaction *transaction, struct transaction_mark *mark);
	void (*reset)(struct transaction *transaction, const struct transaction_mark *mark);
	int (*open)(struct transaction *transaction, ducc_error **err);
	int (*commit)(struct transaction *transaction, ducc_error **err);
	void (*end)(struct transaction *transaction);
	/* True if symbolic links can hold $(VARIABLE), which the reader's host fills in. */
	bool variants;
};

/*
 * Begins a transaction; creates a directory that is not there.  All arguments stay
 * the caller's, and must outlive it.
 */
struct transaction *transaction_begin(struct context *context, const struct store *store,
				      struct repository *repository, ducc_error **err);

/* True if this layer, or flat tree, is added already (by its directory). */
bool transaction_adds(const struct transaction *transaction, const char *directory);

/*
 * Adds a layer, from its tar in the store and its listing; `json` becomes its
 * layers.json.  What may be there, but is not known as one of ours, is replaced.
 */
int transaction_add_layer(struct transaction *transaction, const struct listing_head *head,
			  struct tree *tree, const char *json, ducc_error **err);

/*
 * Adds to a published layer what `tree` has more than `published`, its listing there:
 * whiteouts and implied directories; and gives it the new listing.
 */
int transaction_complete_layer(struct transaction *transaction, const struct listing_head *head,
			       struct tree *tree, const struct tree *published, ducc_error **err);

/* Adds a flat tree, whose files come from layers that are published or added. */
int transaction_add_flat(struct transaction *transaction, const char *directory, struct tree *tree,
			 ducc_error **err);

/* Adds a file, in place of one that is there. */
int transaction_add_file(struct transaction *transaction, const char *path, const void *data,
			 size_t len, ducc_error **err);

/* Adds another name of the file `to`, which is published or added. */
int transaction_add_hardlink(struct transaction *transaction, const char *path, const char *to,
			     ducc_error **err);

/*
 * Adds a symbolic link, in place of one that is there.  Public names are symbolic
 * links; all of them become visible after everything else.
 */
int transaction_add_symlink(struct transaction *transaction, const char *path, const char *target,
			    ducc_error **err);

/*
 * Removes what is at `path`, and the directories above it that are empty then.  What
 * is removed goes in the order of these calls, together with what is added; but with
 * CernVM-FS whole layers and flat trees go afterwards, in transactions of their own:
 * if that is broken off, they are still there.  A transaction that removes something
 * adds no layers and flat trees.
 */
int transaction_remove(struct transaction *transaction, const char *path, ducc_error **err);

bool transaction_is_empty(const struct transaction *transaction);

struct transaction_mark transaction_mark(const struct transaction *transaction);
void transaction_reset(struct transaction *transaction, const struct transaction_mark *mark);

/*
 * Makes sure that nobody else changes the repository until the end.  1: somebody has,
 * since begin, and all that was added has to be added again, after a reset.
 */
int transaction_open(struct transaction *transaction, ducc_error **err);

/* Makes visible what was added, durably.  Needs transaction_open(). */
int transaction_commit(struct transaction *transaction, ducc_error **err);

/* Takes back what is not committed, and lets others go on.  NULL is allowed. */
void transaction_end(struct transaction *transaction);

/* How the targets begin: `base` has what all have, and is copied. */
struct transaction *directory_begin(const struct transaction *base, ducc_error **err);
struct transaction *cvmfs_begin(const struct transaction *base, struct repository *repository,
				ducc_error **err);

#endif

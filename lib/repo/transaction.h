/*
 * A transaction on a repository: everything that is added becomes visible, or nothing.
 * What is removed goes after that.
 *
 * How it works depends on the kind of repository (target.h).  There is one transaction at
 * a time: transaction_begin() waits for others.
 *
 * A function that fails may have added a part: the caller restores what was saved, or ends
 * the transaction.  Adding what is there already adds nothing.
 */
#ifndef DUCC_TRANSACTION_H
#define DUCC_TRANSACTION_H

#include "base/context.h"
#include "base/strset.h"
#include "content/listing.h"
#include "repo/repository.h"
#include "store/store.h"

/* What every transaction has; a kind's own structure begins with it. */
struct transaction {
	const struct target *target;
	struct context *context;
	const struct store *store;
	const struct repository *repository;
	struct strset added; /* directories of layers and flat trees */
	uint64_t bytes;      /* that new layers have */
	size_t steps;        /* what was added or is to be removed */
	struct {
		size_t added, steps;
		uint64_t bytes;
	} saved;
};

/*
 * Begins a transaction; creates the repository if its kind is made that way.  All arguments
 * stay the caller's, and must outlive it.
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
 * Removes what is at `path`, and the directories above it that are empty then.  Removals
 * happen in the order of these calls, together with what is added (but see
 * target->removes_later).  A transaction that removes something adds no layers and flat
 * trees.
 */
int transaction_remove(struct transaction *transaction, const char *path, ducc_error **err);

bool transaction_is_empty(const struct transaction *transaction);

/* Notes how far the transaction is, for transaction_restore() to return to that. */
void transaction_save(struct transaction *transaction);
void transaction_restore(struct transaction *transaction);
/* Takes back everything that was added, or is to be removed. */
void transaction_clear(struct transaction *transaction);

/*
 * Makes sure that nobody else changes the repository until the end.  1: somebody has,
 * since begin; all that was added has to be added again, after transaction_clear().
 */
int transaction_open(struct transaction *transaction, ducc_error **err);

/* Makes visible what was added, durably.  Needs transaction_open(). */
int transaction_commit(struct transaction *transaction, ducc_error **err);

/* Takes back what is not committed, and lets others go on.  NULL is allowed. */
void transaction_end(struct transaction *transaction);

#endif

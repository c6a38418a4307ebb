/*
 * A transaction on a directory repository: everything that was added becomes
 * visible, or nothing.
 *
 * New things are made under .transaction/new.  A commit writes down what is to be
 * renamed where (.transaction/plan), and from the moment that file has its name
 * the transaction will be carried out: if its process is killed, by the next one
 * that begins.  Without a plan, what is under .transaction is debris, and the
 * next one removes it.
 *
 * One transaction at a time: a repository is locked from begin to end.
 */
#ifndef DUCC_TRANSACTION_H
#define DUCC_TRANSACTION_H

#include "listing.h"
#include "repository.h"

struct transaction;

/*
 * Locks the repository, waiting for others, and finishes or clears what an
 * earlier transaction left.  Nothing is written otherwise.
 */
struct transaction *transaction_begin(const struct repository *repository, ducc_error **err);

/* The staging directory (.transaction/new), made on first use; -1 with *err set. */
int transaction_directory(struct transaction *transaction, ducc_error **err);

/* What commit will do, in this order, save that symbolic links come after all else: */

/*
 * renames NAME, in the staging directory, to `to` in the repository, in place of
 * what is there, which must be of the same type;
 */
int transaction_rename(struct transaction *transaction, const char *name, const char *to,
		       ducc_error **err);

/*
 * adds to a published layer what the listing NAME, in the staging directory, has
 * more (whiteouts and implied directories), then gives it that listing.
 */
void transaction_complete_layer(struct transaction *transaction, const char *name,
				const struct digest *layer);

/* The number of steps so far, and back to that number: for what can't be published after all. */
size_t transaction_mark(const struct transaction *transaction);
void transaction_reset(struct transaction *transaction, size_t mark);

/* Carries the steps out, synced; without any there is nothing to do. */
int transaction_commit(struct transaction *transaction, ducc_error **err);

/* Removes what was not committed, and unlocks. */
void transaction_end(struct transaction *transaction);

#endif

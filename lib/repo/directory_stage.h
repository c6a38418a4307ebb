/*
 * What a transaction of a directory is going to do: files staged under .transaction/new, and the
 * steps of the plan that give them their places (directory_plan.h).
 */
#ifndef DUCC_DIRECTORY_STAGE_H
#define DUCC_DIRECTORY_STAGE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/strset.h"
#include "content/extract.h"
#include "repo/directory_plan.h"
#include "repo/target.h"
#include "repo/transaction.h"

/*
 * The order of steps: all that is not one of the others; modes, which would hinder those; names,
 * after their targets; removals, with all that is added after the first of them, so that it can
 * follow the removal of a name and precede that of its files.  Within each, the order of the calls.
 */
enum order { FIRST, MODES, NAMES, LAST, N_ORDERS };

struct directory {
	struct transaction base;
	int root;              /* of the repository; it carries the lock */
	int staging;           /* -1: not created yet */
	struct strset cleared; /* obstacles that are removed */
	struct strset partial; /* names in the staging directory: incomplete */
	struct plan opened;    /* published directories to be closed again */
	struct plan plan;      /* in the order of the calls ... */
	enum order *orders;    /* ... and for each step, when it is carried out */
	size_t orders_capacity;
	size_t next_name;
	size_t saved; /* steps of the plan ... */
	size_t saved_cleared;
	struct extract_report left_out, saved_left_out; /* of its trees: counts only */
	size_t tree; /* the step that a tree was staged for last, from 1; 0: none */

	pthread_t syncing; /* a thread that writes staged files to disk */
	bool is_syncing;
	atomic_bool synced; /* it has ended */
	int sync_error;     /* errno value of that; the commit fails with it */
};

static inline struct directory *directory_of(struct transaction *transaction)
{
	return (struct directory *)transaction;
}

/* Of struct target: tree(), complete(), entry(), open_directory(), remove(), clear(), save(), restore(). */
int directory_add_tree(struct transaction *transaction, const char *to, const char *root,
		       struct tree *tree, const struct digest *own, ducc_error **err);
int directory_add_completion(struct transaction *transaction, const struct listing_head *head,
			     struct tree *tree, const struct tree *published,
			     const struct tree *needed, ducc_error **err);
int directory_add_entry(struct transaction *transaction, const char *path, const struct file *file,
			const struct content *content, ducc_error **err);
int directory_add_mode(struct transaction *transaction, const char *path, mode_t mode,
		       ducc_error **err);
int directory_add_removal(struct transaction *transaction, const char *path, ducc_error **err);
int directory_add_clearing(struct transaction *transaction, const char *path, ducc_error **err);
void directory_save(struct transaction *transaction);
void directory_restore(struct transaction *transaction, bool nothing);

/* Writes what is staged to the disk; waits for the thread that has begun to. */
int directory_sync(struct directory *directory, ducc_error **err);
/* Only waits for that. */
void directory_end_sync(struct directory *directory);

/* Writes the plan, with its steps in the order of execution. */
int directory_write_plan(const struct directory *directory, ducc_error **err);

/* Tells what an unprivileged user could not create. */
void directory_tell_left_out(const struct directory *directory, enum ducc_level level,
			     const char *what, const struct extract_report *report);

#endif

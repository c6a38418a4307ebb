/*
 * What a transaction on CernVM-FS adds, and its operations (repo/target.h): layers and flat trees,
 * single entries, and files to be split.
 *
 * Additions are written to the payload, with flat trees as hard links to the files of layers; the
 * tars of layers are sent by the commit.  Whatever an ingest cannot add as it should be is staged;
 * whatever it cannot replace is mended.
 */
#ifndef DUCC_ADDITIONS_H
#define DUCC_ADDITIONS_H

#include "cvmfs/edit.h"
#include "cvmfs/ingest.h"
#include "cvmfs/mend.h"
#include "cvmfs/payload.h"
#include "cvmfs/probes.h"
#include "cvmfs/staging.h"
#include "repo/target.h"
#include "repo/transaction.h"

struct cvmfs {
	struct transaction base;
	int lock;
	char *revision;            /* published when the transaction began; NULL: unknown */
	unsigned long long copied; /* the number of the revision of the copy, if that is used */
	struct payload payload;
	struct digest *layers; /* new layers, whose tars are sent */
	size_t n_layers, layers_capacity;
	struct mending mending; /* of trees that exist already */
	char **removed;         /* by transaction_remove() */
	size_t n_removed, removed_capacity;
	size_t n_splits; /* by transaction_split() */
	struct probes probes;
	struct staging staging;
	struct {
		size_t layers, removed, splits, probes;
		struct mending_mark mending;
		struct staging_mark staging;
		struct payload_mark payload;
	} saved;
	char *log;             /* path of the entry in the log */
	struct ingest *ingest; /* the open transaction is one of these two */
	struct edit *edit;
};

static inline struct cvmfs *cvmfs_of(struct transaction *transaction)
{
	return (struct cvmfs *)transaction;
}

int cvmfs_add_tree(struct transaction *transaction, const char *directory, const char *root,
		   struct tree *tree, const struct digest *own, ducc_error **err);
int cvmfs_complete(struct transaction *transaction, const struct listing_head *head,
		   struct tree *tree, const struct tree *published, const struct tree *needed,
		   ducc_error **err);
void cvmfs_split(struct transaction *transaction, const char *root, struct tree *tree);
int cvmfs_add_entry(struct transaction *transaction, const char *path, const struct file *file,
		    const struct content *content, ducc_error **err);

#endif

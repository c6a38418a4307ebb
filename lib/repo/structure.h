/*
 * The directories of a repository's own structure: those outside layers and flat trees, whose
 * modes are those of an image.  All users must be able to read and search them.
 */
#ifndef DUCC_STRUCTURE_H
#define DUCC_STRUCTURE_H

#include "repo/transaction.h"

#define REPO_DIRECTORY_MODE 0755

struct structure {
	const struct repository *repository;
	/* Called for each directory that not all users can read and search. */
	int (*closed)(void *ctx, const char *path, mode_t mode, ducc_error **err);
	/* Called for what could not be looked at, with errno set; NULL: ignored. */
	void (*failed)(void *ctx, const char *path);
	void *ctx;
};

/* Looks at those in .flat, .layers, .metadata, .multiarch and podmanStore. */
int structure_walk(const struct structure *structure, ducc_error **err);

/* Looks at the directories above a public name. */
int structure_parents(const struct structure *structure, const char *name, ducc_error **err);

/* Opens all of the former to all users, and those above the n names, as far as that kind of repository can. */
int structure_open(struct transaction *transaction, const char *const *names, size_t n,
		   ducc_error **err);

#endif

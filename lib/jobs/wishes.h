/*
 * What is known about wanted images: the lists that want each one, and since when and why it fails.
 *
 * ducc-convert notes it in a store (ducc-store(5)).  For those who have none, repositories contain
 * the failures (.metadata/.failing, see ducc-repository(5)).  Several publishers may have their own
 * lists and stores: each changes only what it knows.
 */
#ifndef DUCC_WISHES_H
#define DUCC_WISHES_H

#include "base/entries.h"
#include "base/strmap.h"
#include "base/strset.h"
#include "format/reference.h"
#include "jobs/session.h"
#include "repo/transaction.h"

#define WISHES_LIMIT ((size_t)1 << 28) /* bytes of a file of them */

/* What is known of a name; a string is NULL if there is nothing to say. */
struct wish {
	char *reference;
	char *lists;   /* the lists that name the image */
	char *failing; /* the time since when, in the format of clock.h */
	char *error;
};

/*
 * The files in which ducc-convert notes the wishes in a store, in the order of their names:
 *
 *	AUTO_WISH_FILES files = wish_files_open(store);
 *	while (wish_files_next(&files))
 *		... files.name, files.data ...
 *	if (files.error)
 *		return error_give(err, STEAL(files.error));
 *
 * What cannot be read is left out.
 */
struct wish_files {
	struct entries entries;
	struct strset names;
	size_t next; /* of the names */
	const char *name;
	char *data;        /* a string, which the caller may change and take */
	bool whole;        /* it consists of lines, without a NUL */
	ducc_error *error; /* the first one */
};
struct wish_files wish_files_open(const char *store);
bool wish_files_next(struct wish_files *files);
void wish_files_close(struct wish_files *files);

#define AUTO_WISH_FILES CLEANUP(wish_files_close) struct wish_files

/*
 * Reads what a store knows about the repository into a map from REGISTRY/REPOSITORY:TAG to struct
 * wish.  Whatever cannot be read is left out.
 */
void wishes_read(struct strmap *wishes, const char *store, const char *repository);
void wishes_free(struct strmap *wishes);
void wish_free(void *wish);

/*
 * Adds the wishes in a list of records, which it changes: those for the repository, as ducc-convert
 * notes them; with NULL, those for any, or the published failures of one.  Other lines are skipped.
 */
void wishes_add(struct strmap *wishes, char *records, const char *repository);

/*
 * True if ducc-convert has noted in the store that the directory, which need not exist any more, was a
 * repository.
 */
bool wishes_know_repository(const char *store, const char *directory);

/* Adds the published failures of images of which nothing is known so far.  Fails if they cannot be read. */
int wishes_read_published(struct strmap *wishes, const struct repository *repository,
			  ducc_error **err);

/*
 * Publishes the failures that the session's file of wishes contains, without secrets and local
 * paths, in a transaction that also changes something else: together with those in the published
 * list or, if that is damaged, in place of it, with a warning.  If it cannot be read, it stays, with
 * a warning.  Images for which done() returns true, because they are published or no longer wanted,
 * do not fail.
 */
int wishes_publish(ducc_session *session, struct transaction *transaction,
		   bool (*done)(void *ctx, const char *name), void *ctx, ducc_error **err);

struct wish_pattern {
	struct reference reference;
	struct wish *wish;
};

/*
 * Images in a repository that are wanted by lists other than those at hand, and patterns that were
 * not expanded.
 */
struct wishes_of_others {
	struct strmap images; /* from names, also of patterns, to struct wish */
	struct wish_pattern *patterns;
	size_t n_patterns, capacity;
};

/*
 * Reads, from the store, what lists want in the repository, except for those that the session's file of
 * wishes names: what is at hand replaces their older state.  Fails if it is unknown which images
 * another list wants; the error says how to end that.
 */
int wishes_read_others(struct wishes_of_others *others, const ducc_session *session,
		       const char *repository, ducc_error **err);
void wishes_of_others_free(struct wishes_of_others *others);

/* The wish for an image or pattern, or NULL; *expanded is false if only a pattern matches the image. */
const struct wish *wishes_find(const struct wishes_of_others *others, const char *name,
			       bool *expanded);

#endif

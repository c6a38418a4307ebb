/*
 * The plan of a commit into a directory (directory.c): steps, and their form on disk, one
 * `VERB NAME PATH` per line.  If its process is killed, the next process carries it out, so
 * both must read it in the same way: blanks and other special characters in a path are
 * escaped (text.h), and a plan that is not well-formed to its end is not even begun.
 */
#ifndef DUCC_DIRECTORY_PLAN_H
#define DUCC_DIRECTORY_PLAN_H

#include <stddef.h>

#include "base/error.h"

/* The directory of the transaction, in the repository; staged files, and plans, in it. */
#define DIRECTORY_TRANSACTION ".transaction"
#define DIRECTORY_STAGING DIRECTORY_TRANSACTION "/new"
#define DIRECTORY_PLAN DIRECTORY_TRANSACTION "/plan"
#define DIRECTORY_OPENED DIRECTORY_TRANSACTION "/opened"

/* The name of a staged tree ends in its inode number, in so many digits. */
#define DIRECTORY_INODE_DIGITS 20

enum plan_verb {
	PLAN_RENAME,   /* renames NAME in the staging directory to the path */
	PLAN_COMPLETE, /* completes a layer: NAME is the listing, the path its digest in hex */
	PLAN_REMOVE,   /* moves the path aside, under the name NAME */
	PLAN_CHMOD,    /* sets the permissions of a directory: NAME is the mode, in octal digits */
};

struct plan_step {
	enum plan_verb verb;
	char *name; /* digits */
	char *path; /* as in path.h */
};

struct plan {
	struct plan_step *steps;
	size_t n, capacity;
};

/* Appends a step; both strings are copied. */
void plan_add(struct plan *plan, enum plan_verb verb, const char *name, const char *path);

/* Drops the last step; the plan must not be empty. */
void plan_drop(struct plan *plan);
void plan_free(struct plan *plan);

#define AUTO_PLAN __attribute__((cleanup(plan_free))) struct plan

/*
 * The plan as text, which the caller frees; NULL with *err set if a step is invalid: its
 * path is not clean (path.h), or it would touch the transaction's own directory.
 */
char *plan_print(const struct plan *plan, ducc_error **err);

/* Parses the output of plan_print(); -1 with *err set and an empty plan for other text. */
int plan_parse(struct plan *plan, const char *text, size_t len, ducc_error **err);

/* The same with the file at `path` in the repository. */
int plan_read(struct plan *plan, int repository, const char *path, ducc_error **err);
int plan_write(const struct plan *plan, int repository, const char *path, ducc_error **err);

#endif

/*
 * Comparing a published tree with its listing, or two listings.
 *
 * Nothing is followed or modified.  Each directory is opened once, and its entries are looked at
 * from there.  Of an entry that is missing, or is not a directory although it should be one, the
 * content is not reported as missing as well.
 */
#ifndef DUCC_COMPARE_H
#define DUCC_COMPARE_H

#include "base/context.h"
#include "content/tree.h"

/* Kinds of differences, as in ducc-check(1). */
#define DIFFERS_MISSING "missing"
#define DIFFERS_EXTRA "extra"
#define DIFFERS_TYPE "type"
#define DIFFERS_MODE "mode"
#define DIFFERS_OWNER "owner"
#define DIFFERS_CONTENT "content"
#define DIFFERS_UNREADABLE "unreadable"
#define DIFFERS_WHITEOUT "whiteout"
#define DIFFERS_LINK "link"
#define DIFFERS_ORPHAN "orphan"
#define DIFFERS_LIST "list"
#define DIFFERS_DAMAGED "damaged"

/*
 * The kind of the difference if something cannot be opened or read: missing, unreadable because
 * permission is denied, or, by the error, damaged.  NULL for any other failure, which proves nothing.
 */
const char *differs_kind(int error);
const char *differs_kind_of(const ducc_error *error);

struct comparison {
	struct context *context; /* stops it if the job is cancelled */
	/* The tree is reduced to what CernVM-FS keeps: no xattrs, hard links, parts of a second. */
	bool reduced;
	/*
	 * Who owns the tree, if its owners could not be set; then devices, setuid bits and
	 * privileged xattrs may be missing as well.  0: root, who can set all of them.
	 */
	uid_t owner;
	bool layer; /* whiteouts are devices, and not files of AUFS */
	/*
	 * Checks the content of a regular file, open in `directory` as `name`.  Returns 0, or -1
	 * with *kind and *found set to what is wrong; the caller frees *found.  NULL: it is
	 * not checked.
	 */
	int (*content)(void *ctx, int directory, const char *name, const char *path,
		       const struct file *file, const struct stat *st, const char **kind,
		       char **found);
	/*
	 * Called for each difference, with the path from the root of the tree; expected and found
	 * may be NULL.  Node: the entry in the listing; NULL: there is none.
	 */
	void (*differs)(void *ctx, const char *kind, const char *path, const struct node *node,
			const char *expected, const char *found);
	/* Called for what could not be looked at, with the errno value: it may differ or not. */
	void (*failed)(void *ctx, const char *path, int error);
	void *ctx;
};

/* Compares the directory `root` with the tree, whose members `used` and `stored` it sets. */
void compare_tree(const struct comparison *comparison, int root, struct tree *tree);

/*
 * Compares two trees in memory, both sorted, `found` that of an image, with the digests of files
 * instead of their contents; for it, `layer`, `content` and `failed` are not used.  Nodes of
 * `expected` that are not `used` may be missing, and regular files among them differ from those that
 * are from no layer.  Files that have other origins must still be hard links of the same names.  Sets
 * the member `peer`.
 */
void compare_trees(const struct comparison *comparison, struct tree *expected, struct tree *found);

#endif

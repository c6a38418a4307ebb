/*
 * Placement of nested catalogs of CernVM-FS.
 *
 * A client loads the catalog of a directory before anything in it, so a catalog should have
 * neither too many entries nor too few; one begins at each directory that contains a file
 * .cvmfscatalog.
 */
#ifndef DUCC_CATALOGS_H
#define DUCC_CATALOGS_H

#include "content/tree.h"
#include "format/repo_paths.h"
#include "repo/repository.h"

/* The fewest entries that justify a catalog. */
#define CATALOG_MIN 1000
/* The most entries of a catalog, unless others would be smaller than CATALOG_MIN ... */
#define CATALOG_MAX 100000
/* ... and the most in any case, even if others are smaller, but not smaller than: */
#define CATALOG_LIMIT 200000
#define CATALOG_FEW 100

/*
 * Calls place() for each directory in the tree, except the root, at which a catalog is to
 * begin, so that catalogs have the sizes above.  (A single directory with more entries
 * cannot be divided.)  Returns the number of entries left for the catalog of the root; -1:
 * place() failed.
 */
int64_t catalogs_place(struct tree *tree, int (*place)(void *ctx, const struct node *directory),
		       void *ctx);

/*
 * The number of entries in a directory of layers or flat trees (.layers/xx, .flat/xx) that
 * are in trees without a catalog of their own, of this kind.
 */
uint64_t catalogs_count_small(const struct repository *repository, const char *directory,
			      enum repo_tree kind);

#endif

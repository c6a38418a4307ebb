/*
 * Where the nested catalogs of CernVM-FS go.
 *
 * A client loads the catalog of a directory before anything in it, so a catalog
 * should hold neither too much nor too little; one begins at each directory with a
 * file .cvmfscatalog in it.
 */
#ifndef DUCC_CATALOGS_H
#define DUCC_CATALOGS_H

#include "content/tree.h"
#include "repo/repository.h"

#define CATALOG_MARKER ".cvmfscatalog"
/* Entries that make a catalog of its own worth while. */
#define CATALOG_MIN 1000
/* Entries that a catalog gets, if that can be had without smaller ones... */
#define CATALOG_MAX 100000
/* ... and those that it gets at most, even if others have few then, but not fewer than: */
#define CATALOG_LIMIT 200000
#define CATALOG_FEW 100

/*
 * Calls place() for each directory in the tree, save its root, at which a catalog is
 * to begin, so that the sizes above come out.  (A directory that itself has more entries
 * than that can't be helped.)  Returns the number of entries that are left to the
 * root's; -1: place() failed.
 */
int64_t catalogs_place(struct tree *tree, int (*place)(void *ctx, const struct node *directory),
		       void *ctx);

/*
 * The number of entries that a directory of layers or flat trees (.layers/xx, .flat/xx)
 * holds in trees without a catalog of their own.  listing() makes the path of the
 * listing of one of them, to be freed.
 */
uint64_t catalogs_count_small(const struct repository *repository, const char *directory,
			      char *(*listing)(const struct digest *digest));

#endif

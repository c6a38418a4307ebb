/*
 * Layers that are complete as they are published: no file of their listing needs to be looked for,
 * and few need to be looked at, to see whether they are in chunks.
 *
 * A large layer has a catalog of CernVM-FS of its own, whose hash stands for everything in it, with
 * the listing.  The hashes of those that have been published from a store are noted there
 * (ducc-store(5), known/), as lines "LAYER CATALOG[ SIZE]": files that are smaller are in one piece.
 * A line stays true whatever happens; without it, each file is looked for.
 */
#ifndef DUCC_CVMFS_COMPLETE_H
#define DUCC_CVMFS_COMPLETE_H

#include "repo/repository.h"
#include "store/store.h"

struct complete {
	const struct store *store;
	const struct repository *repository;
	char *path; /* in the store */
	char *text; /* once read */
};

/* The caller keeps the arguments. */
void complete_init(struct complete *complete, const struct store *store,
		   const struct repository *repository);
void complete_free(struct complete *complete);

/*
 * True if the published layer certainly has all files of its listing.  *whole becomes a size in
 * bytes: smaller files of the layer are not in chunks.  0: that is unknown.
 */
bool complete_has(struct complete *complete, const struct digest *layer, uint64_t *whole);

/* The files of a layer that have been found to be in chunks. */
struct found_chunks {
	uint64_t n;
	uint64_t smallest; /* size in bytes; UINT64_MAX if there are none */
};

/*
 * Notes layers that are complete in the revision that is mounted; failure is harmless.  If their
 * catalogs count as many files in chunks as have been found, there are no others.
 */
void complete_note(const struct complete *complete, const struct digest *layers,
		   const struct found_chunks *chunks, size_t n);

#endif

/*
 * Checks after publishing into CernVM-FS: of a few entries that some of its versions, or its
 * gateways, may damage.
 */
#ifndef DUCC_PROBES_H
#define DUCC_PROBES_H

#include "base/context.h"
#include "content/tree.h"
#include "cvmfs/staged_tree.h"
#include "repo/repository.h"

struct probe {
	char *path;   /* a whiteout of a new layer, or a large file of a flat tree */
	bool is_file; /* with this content: */
	uint8_t sha256[SHA256_SIZE];
};

/* Zero-initialised, it is empty. */
struct probes {
	struct probe *list;
	size_t n, capacity;
};

/* Selects a whiteout of the layer with its root at `at`, if it has one. */
void probes_add_layer(struct probes *probes, const char *at, struct tree *tree);

/*
 * Selects two files in a flat tree: of those that are hard links, the largest, which CernVM-FS most
 * likely splits into chunks, so that hard links cannot be made to it; and the smallest of those that
 * are staged.
 */
void probes_add_flat(struct probes *probes, const char *directory, struct tree *tree,
		     const struct staged_tree *staged);

/*
 * Checks each, if the mount already has it, and warns about a missing whiteout, and about a file
 * that cannot be read or has other content.
 */
void probes_look(const struct probes *probes, struct context *context,
		 const struct repository *repository);

/* Keeps the first n. */
void probes_forget(struct probes *probes, size_t n);

void probes_free(struct probes *probes);

#endif

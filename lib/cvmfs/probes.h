/*
 * What became of what was published into CernVM-FS: a few things are looked at
 * afterwards that some of its versions, or its gateways, are known to spoil.
 */
#ifndef DUCC_PROBES_H
#define DUCC_PROBES_H

#include "base/context.h"
#include "content/tree.h"
#include "repo/repository.h"

struct probe {
	char *path;   /* a whiteout of a new layer, or a large file of a flat tree */
	bool is_file; /* and then of this content: */
	uint8_t sha256[SHA256_SIZE];
};

/* Zero-initialised, it is empty. */
struct probes {
	struct probe *list;
	size_t n, capacity;
};

/* Takes a whiteout of the layer, if it has one. */
void probes_add_layer(struct probes *probes, const struct digest *layer, struct tree *tree);

/*
 * Takes the file in a flat tree that CernVM-FS would sooner than all others cut into
 * chunks, of which hard links can't be made: the smallest that is large enough.
 */
void probes_add_flat(struct probes *probes, const char *directory, struct tree *tree);

/*
 * Looks at each, if the mount has it already, and warns of a whiteout that is not
 * there, and of a file that can't be read or has other content.
 */
void probes_look(const struct probes *probes, struct context *context,
		 const struct repository *repository);

/* Keeps the first n. */
void probes_forget(struct probes *probes, size_t n);

void probes_free(struct probes *probes);

#endif

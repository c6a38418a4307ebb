/*
 * Differences between a layer in an image and the same layer as it was unpacked and published
 * for another one, on other layers.  The layer stays as it is; they are counted for a warning.
 */
#ifndef DUCC_DIFFERENCES_H
#define DUCC_DIFFERENCES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/context.h"

enum difference {
	DIFFERENT_METADATA, /* of an implied directory */
	DIFFERENT_PLACE,    /* of an entry that symbolic links lead elsewhere */
	DIFFERENT_FILE,     /* of a hard link into lower layers */
	N_DIFFERENCES,
};

/* Initialise with {0}. */
struct differences {
	struct {
		size_t n;
		char *first; /* path of the first one, "/" for the root; NULL: none */
	} of[N_DIFFERENCES];
};

/* Counts the entry at `path`.  NULL: nothing is counted. */
void differences_add(struct differences *differences, enum difference kind, const char *path);

/*
 * Warns of them, a notice for each kind.  `layer` names the layer, and `published` says whether
 * it is published for the other image, or only unpacked.
 */
void differences_report(const struct differences *differences, struct context *context,
			const char *layer, bool published);

void differences_free(struct differences *differences);

#define AUTO_DIFFERENCES __attribute__((cleanup(differences_free))) struct differences

#endif

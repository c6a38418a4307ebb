/*
 * Content that a repository has already: for the files of a new layer, files of other layers
 * with the same content, and if possible also the same metadata.
 *
 * Candidates are the layers of images that are published under the same name with any tag,
 * layers that have files in common by their samples (samples.h), and those that the
 * transaction adds.  Only listings are read, which have the SHA-256 of each file; a layer
 * without our listing is no candidate.  Nothing here says that the
 * file is really there: who uses it checks that.
 *
 * Memory and time are bounded: candidates beyond the limits are ignored.
 */
#ifndef DUCC_KNOWN_H
#define DUCC_KNOWN_H

#include "base/context.h"
#include "content/tree.h"
#include "repo/repository.h"
#include "store/store.h"

struct known;

/* The caller keeps the arguments. */
struct known *known_new(struct context *context, const struct store *store,
			const struct repository *repository);
/* NULL is allowed. */
void known_free(struct known *known);

/*
 * Makes the layers of the newest images REGISTRY/REPOSITORY:* candidates, for a name of that
 * form; each REGISTRY/REPOSITORY is considered once.  Their listings are read when needed.
 */
void known_consider(struct known *known, const char *name);

/* The layer is no candidate: it is broken, and about to be published again. */
void known_exclude(struct known *known, const struct digest *layer);

/*
 * Sets the `known` member of the layer's own, nonempty regular files for whose content there
 * is a candidate, preferably with the same metadata and path.  Then the layer's files become
 * candidates for later layers.
 */
void known_match(struct known *known, const struct digest *layer, struct tree *tree);

/* After the layers are published: keeps what finds them, in the store. */
void known_published(struct known *known);

/* Saves the state, to which known_restore() returns: the layers added since are dropped. */
void known_save(struct known *known);
void known_restore(struct known *known);

#endif

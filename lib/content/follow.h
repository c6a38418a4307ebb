/*
 * Following the symbolic links among the parents of a layer's paths.
 *
 * The entry lib/x of a layer belongs to usr/lib/x if the layers below, or the layer itself
 * so far, have a symbolic link lib to usr/lib: so does every tool that unpacks layers one on
 * top of another.  Links are followed as the kernel does, with the image's root as root: an
 * absolute target begins there, and ".." does not lead out of it.  Links may lead to what
 * does not exist.
 */
#ifndef DUCC_FOLLOW_H
#define DUCC_FOLLOW_H

#include "base/error.h"
#include "content/tree.h"

/* A layer on top of those below it, which are merged into an image.  NULL: nothing. */
struct view {
	struct tree *layer, *below;
	uint64_t depth; /* the most components of a path */
};

/* A link of the layers below that was followed. */
struct passage {
	char *path;         /* of the link; itself without links */
	const char *target; /* of the tree */
};

/* Release it with followed_free(), also after a failure. */
struct followed {
	char *path;               /* the same path, without links; NULL if there are none */
	struct passage *passages; /* in the order in which they were followed */
	size_t n, capacity;
	bool hidden; /* the layer hides a link of the layers below that else were followed */
	/* Of the layer's own links that were followed: */
	bool own;      /* there are any */
	bool later;    /* one was reached through a link of the layers below */
	bool detoured; /* one has a detour itself */
};

/* Follows links in all components of `path` (path.h) but the last. */
int follow(const struct view *view, const char *path, struct followed *followed, ducc_error **err);

void followed_free(struct followed *followed);

#define AUTO_FOLLOWED __attribute__((cleanup(followed_free))) struct followed

/* The node of view->below at `path`, whose links are followed, or NULL. */
const struct node *follow_to_below(const struct view *view, const char *path);

#endif

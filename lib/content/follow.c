/* Following symbolic links: see follow.h. */
#include "content/follow.h"

#include <limits.h>

#include "base/mem.h"
#include "content/layer_name.h"
#include "content/quota.h"

#define LINKS_LIMIT 40 /* as in Linux */

/* A directory on the way, in the layer and below; either may be NULL. */
struct spot {
	const struct node *own, *below;
	bool hidden; /* the layer hides the one below */
	size_t len;  /* of its path */
};

struct walk {
	const struct view *view;
	struct spot *spots; /* from the root to the current directory */
	size_t n, capacity;
	struct buffer path;
	size_t links, bytes; /* followed so far, and the bytes of their targets */
	struct followed *followed;
};

/* True if the node is more than a parent directory that the layer does not list. */
static bool decides(const struct node *own)
{
	return own && (own->lower_link || (own->file && !(own->flags & NODE_IMPLIED)));
}

static bool is_own_link(const struct view *view, const struct node *own, const char **target)
{
	const struct node *lower = own->file ? NULL : tree_find(view->below, own->lower_link);
	const struct file *file = lower ? lower->file : own->file;

	if (!file || !S_ISLNK(file->mode))
		return false;
	*target = file->target;
	return true;
}

static bool has_flag(const struct node *node, unsigned flags)
{
	return node && node->flags & flags;
}

/* The entry of that name in the current directory; returns the target if it is a link. */
static const char *look_up(struct walk *walk, const char *name, size_t len, struct spot *spot)
{
	const struct view *view = walk->view;
	const struct spot *here = &walk->spots[walk->n - 1];
	const struct file *link;
	const char *target = NULL;

	*spot = (struct spot){.len = walk->path.len + (walk->path.len > 0) + len};
	if (here->own)
		spot->own = tree_child(view->layer, here->own, name, len);
	if (here->below)
		spot->below = tree_child(view->below, here->below, name, len);
	spot->hidden = here->hidden || has_flag(here->own, NODE_OPAQUE | NODE_WHITEOUT) ||
		       has_flag(spot->own, NODE_WHITEOUT);
	if (decides(spot->own) && is_own_link(view, spot->own, &target))
		return target;
	link = node_link(spot->below);
	if (!link)
		return NULL;
	if (!spot->hidden && !decides(spot->own))
		return link->target;
	walk->followed->hidden = true;
	return NULL;
}

static int enter(struct walk *walk, const char *name, size_t len, const struct spot *spot,
		 ducc_error **err)
{
	if (len > NAME_MAX)
		return error_set(err, "%.64s...: name of more than %d bytes", name, NAME_MAX);
	if (layer_name_is_whiteout(name, len))
		return error_set(err, "whiteout used as a directory");
	if (walk->n >= walk->view->depth)
		return limits_exceeded(LIMIT_DEPTH, walk->view->depth, err);
	if (walk->path.len)
		buffer_addc(&walk->path, '/');
	buffer_add(&walk->path, name, len);
	GROW(walk->spots, walk->n, walk->capacity);
	walk->spots[walk->n++] = *spot;
	return 0;
}

static void leave(struct walk *walk)
{
	if (walk->n == 1)
		return;
	walk->n--;
	buffer_truncate(&walk->path, walk->spots[walk->n - 1].len);
}

/* Notes that the link `spot` is followed; fails if that were too many. */
static int pass(struct walk *walk, const char *name, size_t len, const struct spot *spot,
		const char *target, ducc_error **err)
{
	struct followed *followed = walk->followed;

	walk->bytes += strlen(target);
	if (++walk->links > LINKS_LIMIT)
		return error_set(err, "parent directory: more than %d symbolic links", LINKS_LIMIT);
	if (walk->bytes >= PATH_MAX)
		return error_set(err, "parent directory: symbolic links of more than %d bytes",
				 PATH_MAX - 1);
	if (spot->own && decides(spot->own)) {
		followed->own = true;
		followed->later |= followed->n > 0;
		followed->detoured |= spot->own->detour != NULL;
		return 0;
	}
	GROW(followed->passages, followed->n, followed->capacity);
	followed->passages[followed->n++] =
		(struct passage){.path = format("%s%s%.*s", walk->path.len ? walk->path.data : "",
						walk->path.len ? "/" : "", (int)len, name),
				 .target = target};
	return 0;
}

/* Takes one component; *target is set if it is a link. */
static int step(struct walk *walk, const char *name, size_t len, const char **target,
		ducc_error **err)
{
	struct spot spot;

	*target = NULL;
	if (!len || (len == 1 && *name == '.'))
		return 0;
	if (len == 2 && !memcmp(name, "..", 2)) {
		leave(walk);
		return 0;
	}
	*target = look_up(walk, name, len, &spot);
	return *target ? pass(walk, name, len, &spot, *target, err)
		       : enter(walk, name, len, &spot, err);
}

/* Walks along `path`, all of whose components are directories, or links to directories. */
static int walk_along(struct walk *walk, const char *path, size_t path_len, ducc_error **err)
{
	AUTO_FREE char *rest = xstrndup(path, path_len);

	for (char *p = rest; *p;) {
		size_t len = strcspn(p, "/");
		const char *target;

		if (step(walk, p, len, &target, err) < 0)
			return -1;
		p += len + (p[len] == '/');
		if (!target)
			continue;
		p = format("%s/%s", target, p);
		free(rest);
		rest = p;
		while (*target == '/' && walk->n > 1)
			leave(walk);
	}
	return 0;
}

int follow(const struct view *view, const char *path, struct followed *followed, ducc_error **err)
{
	const char *slash = strrchr(path, '/');
	struct walk walk = {.view = view, .followed = followed};
	int result;

	if (!slash)
		return 0;
	GROW(walk.spots, walk.n, walk.capacity);
	walk.spots[walk.n++] = (struct spot){.own = view->layer ? tree_root(view->layer) : NULL,
					     .below = view->below ? tree_root(view->below) : NULL};
	result = walk_along(&walk, path, (size_t)(slash - path), err);
	if (!result && walk.links)
		followed->path = format("%s%s", walk.path.len ? walk.path.data : "",
					walk.path.len ? slash : slash + 1);
	buffer_free(&walk.path);
	free(walk.spots);
	return result;
}

void followed_free(struct followed *followed)
{
	free(followed->path);
	for (size_t i = 0; i < followed->n; i++)
		free(followed->passages[i].path);
	free(followed->passages);
	*followed = (struct followed){NULL};
}

const struct node *follow_to_below(const struct view *view, const char *path)
{
	const struct view below = {.below = view->below, .depth = view->depth};
	const struct node *node = tree_find(view->below, path);
	AUTO_FOLLOWED followed = {NULL};

	if (node || follow(&below, path, &followed, NULL) < 0 || !followed.path)
		return node;
	return tree_find(view->below, followed.path);
}

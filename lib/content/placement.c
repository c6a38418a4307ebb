/* The places of a layer's entries: see placement.h. */
#include "content/placement.h"

#include "base/mem.h"
#include "content/follow.h"
#include "content/layer_name.h"

/* True if the layers below have the link through which entries of the layer went. */
static bool passage_holds(const struct node *node)
{
	const struct file *link = node_link(node->peer);

	return link && !strcmp(link->target, node->detour->through);
}

char *placement_links(const struct node *top)
{
	struct hasher *hasher = hasher_new();
	uint8_t all[SHA256_SIZE] = {0}, one[SHA256_SIZE];
	AUTO_BUFFER path = {0};
	struct digest links;
	size_t start;

	if (top)
		node_path(top, &path);
	start = path.len;
	/* The order in a directory depends on that of the layers' additions. */
	for (const struct node *node = top; node; node = tree_next(top, node)) {
		if (!node_link(node))
			continue;
		node_path(node, &path);
		hasher_reset(hasher);
		hasher_update(hasher, path.data + start, path.len - start + 1);
		hasher_update(hasher, node->file->target, strlen(node->file->target));
		hasher_final(hasher, one);
		for (size_t i = 0; i < sizeof(all); i++)
			all[i] ^= one[i];
	}
	hasher_free(hasher);
	digest_from_bytes(&links, all);
	return xstrdup(links.hex);
}

/* True if links have led no entries anywhere else, nor those that are not in the layer any more. */
static bool is_plain(struct tree *layer)
{
	struct node *root = tree_root(layer);
	bool plain = !(root->flags & NODE_FIXED);

	for (const struct node *node = root; node && plain; node = tree_next(root, node))
		plain = !node_has_detour(node);
	return plain;
}

/*
 * True if the layers below have the links that are noted at the node, or none: then it sets *none.  What
 * was dropped of a plain layer would be in the same place there, and dropped again.
 */
static bool links_hold(const struct node *node, bool *none)
{
	AUTO_FREE char *links = placement_links(node->peer), *of_none = NULL;

	if (!strcmp(links, node->detour->links))
		return true;
	of_none = placement_links(NULL);
	if (strcmp(links, of_none) != 0)
		return false;
	*none = true;
	return true;
}

/* True if the node is a directory that would be a link, if its entries were placed now. */
static bool is_over_link(const struct node *node, bool fresh)
{
	bool listed = node->file && !(node->flags & NODE_IMPLIED);

	return node_link(node->peer) && (fresh || !listed);
}

/* True for entries and whiteouts of the layer itself. */
static bool is_own(const struct node *node)
{
	if (node->lower_link || node->flags & NODE_OPAQUE)
		return true;
	return !(node->flags & NODE_IMPLIED) && (node->file || node_is_whiteout(node));
}

static bool is_known_passage(const struct node *node)
{
	return node && node->detour && node->detour->through;
}

/*
 * False if links that were not followed before lead a hard link into lower layers to where this layer
 * has an entry: which of them came first is unknown.
 */
static bool link_holds(struct tree *image, struct tree *layer, const struct node *node)
{
	const struct view view = {.below = image, .depth = UINT64_MAX};
	AUTO_FOLLOWED followed = {NULL};
	const struct node *own;
	bool known = true;

	if (follow(&view, node->lower_link, &followed, NULL) < 0 || !followed.path)
		return true;
	own = tree_find(layer, followed.path);
	for (size_t i = 0; i < followed.n; i++)
		known &= is_known_passage(tree_find(layer, followed.passages[i].path));
	return known || !own || !is_own(own);
}

bool placement_holds(struct tree *image, struct tree *layer, bool fresh)
{
	struct node *root = tree_root(layer);
	bool none = false;

	root->peer = tree_root(image);
	for (struct node *node = tree_next(root, root); node; node = tree_next(root, node)) {
		bool passage = is_known_passage(node), links = node->detour && node->detour->links;
		bool directory = node->children || node->flags & NODE_OPAQUE;
		bool fixed = node->flags & (node_is_dir(node) ? NODE_LATE : NODE_FIXED);

		if (node->lower_link && ((fresh && !tree_find(image, node->lower_link)) ||
					 !link_holds(image, layer, node)))
			return false;
		if (!passage && !directory && !fixed && !links)
			continue;
		node->peer = node->parent->peer ? tree_child(image, node->parent->peer, node->name,
							     node->name_len)
						: NULL;
		if ((passage && !passage_holds(node)) || (links && !links_hold(node, &none)) ||
		    (directory && is_over_link(node, fresh)) ||
		    (fixed && !passage && node_link(node->peer)))
			return false;
	}
	return !none || is_plain(layer);
}

struct placing {
	struct view view; /* of the new tree */
	struct tree *old;
	struct differences *differences;
	struct buffer path;
};

/* True if the entry can be put at `there`, where at most other entries are beneath it. */
static bool is_free(const struct node *there, const struct node *node)
{
	bool directory = node->flags & NODE_OPAQUE || node_is_dir(node);

	return there && !there->file && !there->lower_link && !there->flags &&
	       (directory || !there->children);
}

static int unknown(const char *path, ducc_error **err)
{
	return error_set(
		err,
		"%s: symbolic links of the layers below differ from those of the image for "
		"which the layer was unpacked, and other entries of the layer interfere",
		path);
}

/* True if the layer replaces a link that is at the node: an opaque marker goes through it. */
static bool replaces_link(const struct node *node)
{
	return node->lower_link || node->flags & NODE_WHITEOUT ||
	       (node->file && !(node->flags & NODE_IMPLIED));
}

/*
 * True if the order of the entries does not matter for what was followed: no link of the
 * layers below is replaced by this layer, and none of its own links is followed now that was
 * not followed before.
 */
static bool is_certain(const struct placing *placing, const struct followed *followed, bool detour)
{
	if (followed->hidden || followed->later || (followed->own && !detour))
		return false;
	for (size_t i = 0; i < followed->n; i++) {
		const struct node *node = tree_find(placing->old, followed->passages[i].path);

		if (node && replaces_link(node))
			return false;
	}
	return true;
}

static void put(struct node *there, const struct node *node)
{
	there->flags = node->flags & (NODE_WHITEOUT | NODE_OPAQUE);
	if (node->lower_link)
		there->lower_link = xstrdup(node->lower_link);
	if (node->file && !(node->flags & NODE_IMPLIED))
		node_set_file(there, file_ref(node->file));
}

/* Follows links to an entry; an opaque marker is in the directory. */
static int follow_entry(struct placing *placing, const struct node *node, const char *name,
			struct followed *followed, ducc_error **err)
{
	bool listed = node->file && !(node->flags & NODE_IMPLIED);
	AUTO_FREE char *marker = NULL;

	if (!(node->flags & NODE_OPAQUE) || listed || !*name)
		return follow(&placing->view, name, followed, err);
	marker = format("%s/" WHITEOUT_OPAQUE, name);
	if (follow(&placing->view, marker, followed, err) < 0)
		return -1;
	if (followed->path) {
		char *slash = strrchr(followed->path, '/');

		*(slash ? slash : followed->path) = '\0';
	}
	return 0;
}

/* Sets *where to the place of an entry, allocated, among those that have been placed. */
static int find_place(struct placing *placing, const struct node *node, char **where,
		      ducc_error **err)
{
	AUTO_FOLLOWED followed = {NULL};
	const char *name;

	node_path(node, &placing->path);
	name = node_has_detour(node) ? node->detour->name : placing->path.data;
	if (follow_entry(placing, node, name, &followed, err) < 0)
		return error_wrap(err, "%s", name);
	if (!is_certain(placing, &followed, node_has_detour(node)))
		return unknown(name, err);
	*where = followed.path ? STEAL(followed.path) : xstrdup(name);
	return 0;
}

static int place(struct placing *placing, const struct node *node, ducc_error **err)
{
	AUTO_FREE char *where = NULL;
	struct node *there;

	if (find_place(placing, node, &where, err) < 0)
		return -1;
	there = tree_make(placing->view.layer, where);
	if (!is_free(there, node) || (node->flags & (NODE_FIXED | NODE_LATE) &&
				      node_link(tree_find(placing->view.below, where))))
		return unknown(where, err);
	if (strcmp(where, placing->path.data) != 0)
		differences_add(placing->differences, DIFFERENT_PLACE, where);
	put(there, node);
	return 0;
}

static bool is_put(const struct node *there, const struct node *node)
{
	unsigned marks = NODE_WHITEOUT | NODE_OPAQUE;
	bool listed = node->file && !(node->flags & NODE_IMPLIED);

	return there && (there->flags & marks) == (node->flags & marks) &&
	       (!listed || there->file == node->file) && !there->lower_link == !node->lower_link;
}

/* Entries that were placed later must not have changed the place. */
static int check_place(struct placing *placing, const struct node *node, ducc_error **err)
{
	AUTO_FREE char *where = NULL;

	if (find_place(placing, node, &where, err) < 0)
		return -1;
	return is_put(tree_find(placing->view.layer, where), node) ? 0 : unknown(where, err);
}

/* True if the layer has an entry there that it did not have there before. */
static bool is_new_place(const struct placing *placing, const char *path)
{
	const struct node *own = tree_find(placing->view.layer, path);
	const struct node *old = tree_find(placing->old, path);

	return own && is_own(own) && !(old && is_own(old) && !node_has_detour(old));
}

/*
 * Hard links into lower layers must not lead to what this layer has, unless it was known to be
 * there only after the hard link.
 */
static int check_links(struct placing *placing, ducc_error **err)
{
	struct node *root = tree_root(placing->view.layer);

	for (struct node *node = root; node; node = tree_next(root, node)) {
		AUTO_FOLLOWED followed = {NULL};
		const struct node *own;

		if (!node->lower_link)
			continue;
		if (follow(&placing->view, node->lower_link, &followed, err) < 0)
			return error_wrap(err, "hard link to %s", node->lower_link);
		own = followed.path ? tree_find(placing->view.layer, followed.path) : NULL;
		if (followed.own || followed.hidden || (own && is_own(own)) ||
		    is_new_place(placing, node->lower_link))
			return unknown(node->lower_link, err);
	}
	return 0;
}

/* Nothing is known of what was dropped that depends on links of the layers below. */
static int check_dropped(struct tree *layer, ducc_error **err)
{
	struct node *root = tree_root(layer);
	AUTO_BUFFER path = {0};

	for (struct node *node = root; node; node = tree_next(root, node)) {
		if (!(node == root && node->flags & NODE_FIXED) &&
		    !(node->detour && node->detour->links))
			continue;
		node_path(node, &path);
		return unknown(*path.data ? path.data : "/", err);
	}
	return 0;
}

/* In the layer as it was unpacked, directories that only other images need hide links. */
static void note_hidden_links(struct placing *placing)
{
	struct node *root = tree_root(placing->old);

	for (struct node *node = root; node; node = tree_next(root, node)) {
		if (!node_is_dir(node) || !(node->flags & NODE_IMPLIED))
			continue;
		node_path(node, &placing->path);
		if (node_link(tree_find(placing->view.below, placing->path.data)))
			differences_add(placing->differences, DIFFERENT_PLACE, placing->path.data);
	}
}

/* Those that links led somewhere go last: the links may be entries of this layer. */
static int place_all(struct placing *placing, struct tree *layer, ducc_error **err)
{
	struct node *root = tree_root(layer);

	if (check_dropped(layer, err) < 0)
		return -1;
	for (int detours = 0; detours < 2; detours++)
		for (struct node *node = root; node; node = tree_next(root, node))
			if (is_own(node) && node_has_detour(node) == detours &&
			    place(placing, node, err) < 0)
				return -1;
	for (struct node *node = root; node; node = tree_next(root, node))
		if (is_own(node) && check_place(placing, node, err) < 0)
			return -1;
	note_hidden_links(placing);
	return 0;
}

struct tree *placement_anew(struct tree *image, struct tree *layer, struct differences *differences,
			    ducc_error **err)
{
	struct tree *tree = tree_new();
	struct placing placing = {.view = {.layer = tree, .below = image, .depth = UINT64_MAX},
				  .old = layer,
				  .differences = differences};
	int result = place_all(&placing, layer, err) < 0 ? -1 : check_links(&placing, err);
	buffer_free(&placing.path);
	if (!result) {
		tree_sort(tree);
		return tree;
	}
	tree_free(tree);
	return NULL;
}

/* True for a file whose content is in the layer itself. */
static bool has_content(const struct node *node)
{
	return node->file && node->file->layer && !node->lower_link && !S_ISDIR(node->file->mode);
}

/* The path of the node's entry in the downloaded layer. */
static const char *name_of(const struct node *node, struct buffer *path)
{
	node_path(node, path);
	return node_has_detour(node) ? node->detour->name : path->data;
}

/* Maps the names of own entries that links led elsewhere to their places, allocated. */
static void map_detours(struct tree *tree, struct strmap *places)
{
	struct node *root = tree_root(tree);
	AUTO_BUFFER path = {0};

	for (struct node *node = root; node; node = tree_next(root, node)) {
		if (!is_own(node) || !node_has_detour(node))
			continue;
		node_path(node, &path);
		free(strmap_put(places, node->detour->name, xstrdup(path.data)));
	}
}

/* True if `other`, whose detours are mapped, has the entry elsewhere; sets `path` to its own place. */
static bool is_elsewhere(const struct node *node, const struct tree *other,
			 const struct strmap *detours, struct buffer *path)
{
	const char *name = name_of(node, path);
	const char *place = strmap_get(detours, name);
	const struct node *there = tree_find(other, place ? place : name);

	if (place || (there && is_own(there) && !node_has_detour(there)))
		return strcmp(place ? place : name, path->data) != 0;
	there = tree_find(other, path->data);
	return (has_content(node) || node_has_detour(node)) &&
	       !(there && (there->file || is_own(there)));
}

/* True if `other` has a directory in place of a link that led entries of the layer elsewhere. */
static bool hides_passage(struct tree *layer, const struct tree *other,
			  struct differences *differences)
{
	struct node *root = tree_root(layer);
	AUTO_BUFFER path = {0};
	bool hides = false;

	for (struct node *node = root; node; node = tree_next(root, node)) {
		if (!node_is_passage(node) || !node->detour->through)
			continue;
		node_path(node, &path);
		if (!node_is_dir(tree_find(other, path.data)))
			continue;
		differences_add(differences, DIFFERENT_PLACE, path.data);
		hides = true;
	}
	return hides;
}

/* True if `other` has entries of `layer` elsewhere, or does not have those that links led somewhere. */
static bool has_elsewhere(struct tree *layer, struct tree *other, struct differences *differences)
{
	struct node *root = tree_root(layer);
	struct strmap detours = {.values = NULL};
	AUTO_BUFFER path = {0};
	bool differs = false;

	map_detours(other, &detours);
	for (struct node *node = root; node; node = tree_next(root, node)) {
		if (!is_own(node) || !is_elsewhere(node, other, &detours, &path))
			continue;
		differences_add(differences, DIFFERENT_PLACE, path.data);
		differs = true;
	}
	strmap_free_values(&detours, free);
	return differs;
}

bool placement_differs(struct tree *layer, struct tree *other, struct differences *differences)
{
	bool differs = hides_passage(layer, other, differences);

	differs |= hides_passage(other, layer, differences);
	differs |= has_elsewhere(layer, other, differences);
	return differs || has_elsewhere(other, layer, differences);
}

int placement_map(struct tree *layer, struct tree *other, struct strmap *map, ducc_error **err)
{
	struct node *root = tree_root(other);
	struct strmap files = {.values = NULL};
	AUTO_BUFFER path = {0};
	int result = 0;

	for (struct node *node = root; node; node = tree_next(root, node))
		if (has_content(node))
			strmap_put(&files, name_of(node, &path), node->file);
	root = tree_root(layer);
	for (struct node *node = root; node && !result; node = tree_next(root, node)) {
		const struct file *file;
		const char *name;

		if (!has_content(node))
			continue;
		name = name_of(node, &path);
		/* A name may occur twice, if links led its entries to different places. */
		file = strmap_get(&files, name);
		if (file && file_same(file, node->file))
			free(strmap_put(map, node->file->origin, xstrdup(file->origin)));
		else
			result = error_set(err, "%s: not in the published layer", name);
	}
	strmap_free(&files);
	return result;
}

/* Merging layers: see merge.h. */
#include "content/merge.h"

#include "base/mem.h"
#include "content/follow.h"
#include "content/placement.h"

#define DEFAULT_DIRECTORY (S_IFDIR | 0755)

struct merge {
	struct tree *image, *layer;
	struct node *detached; /* hidden by opaque directories; linked by ->next */
	struct buffer path;
	ducc_error **err;
};

/*
 * Sets `used`, except of unlisted directories with only whiteouts: they need not exist.  Clears what is
 * set only where the merge gets to, and may be from another one.
 */
static void prepare_nodes(struct tree *layer)
{
	struct node *root = tree_root(layer);

	for (struct node *node = root; node; node = tree_next(root, node)) {
		node->peer = NULL;
		node->used = node->alone = node->needed = node->differs = false;
	}
	for (struct node *node = root; node; node = tree_next(root, node)) {
		bool said = node->lower_link || (node->file && !(node->flags & NODE_IMPLIED));

		for (struct node *n = node; said && n && !n->used; n = n->parent)
			n->used = true;
	}
}

/*
 * Shares a file with the image: the same object, but its layer digest may belong to
 * another tree and is interned in the image.
 */
static struct file *share(struct merge *merge, struct file *file)
{
	if (file->layer)
		file->layer = tree_intern(merge->image, file->layer);
	return file_ref(file);
}

static bool same_file(const struct file *a, const struct file *b)
{
	return a->layer && b->layer && digest_equal(a->layer, b->layer) &&
	       !strcmp(a->origin, b->origin);
}

/* Resolves a hard link; in a layer that was settled before, it stays as it was. */
static void resolve_link(struct node *node, struct file *file)
{
	struct file *other = NULL;

	node->differs = node->file && !same_file(node->file, file);
	if (node->differs)
		other = file_ref(file);
	if (!node->file)
		node_set_file(node, file_ref(file));
	if (other || node->detour) {
		file_unref(node_detour(node)->file);
		node->detour->file = other;
	}
}

/* Call it before the layer changes anything. */
int merge_resolve_links(struct tree *image, struct tree *layer, ducc_error **err)
{
	const struct view view = {.below = image, .depth = UINT64_MAX};
	struct node *root = tree_root(layer);
	AUTO_BUFFER path = {0};

	for (struct node *node = root; node; node = tree_next(root, node)) {
		const struct node *target;

		if (!node->lower_link)
			continue;
		node_path(node, &path);
		target = follow_to_below(&view, node->lower_link);
		if (!target || !target->file)
			return error_set_kind(err, DUCC_CORRUPT,
					      "%s: hard link to %s, which does not exist",
					      path.data, node->lower_link);
		if (node_is_dir(target))
			return error_set_kind(err, DUCC_CORRUPT,
					      "%s: hard link to the directory %s", path.data,
					      node->lower_link);
		resolve_link(node, target->file);
	}
	return 0;
}

/* The directory of the layers below that this one hides, or NULL. */
static const struct node *hidden_by(const struct node *directory)
{
	return directory->detour ? directory->detour->hidden : NULL;
}

/* The layer's directory hides `old`: adds a whiteout for each entry of `old`. */
static void hide(struct merge *merge, struct node *dir, struct node *old)
{
	node_detour(dir)->hidden = old;
	for (struct node *child = old->children; child; child = child->next) {
		struct node *over = tree_child(merge->layer, dir, child->name, child->name_len);

		if (!over || node_is_passage(over)) {
			if (!over)
				over = tree_add(merge->layer, dir, child->name, child->name_len);
			over->flags |= NODE_WHITEOUT | NODE_IMPLIED;
		}
		over->needed = true;
	}
}

/* The file of a directory on top of `below` (NULL: nothing), for the image. */
static struct file *directory_file(struct merge *merge, struct node *node, const struct node *below)
{
	struct file *file;

	if (node->file && !(node->flags & NODE_IMPLIED))
		return share(merge, node->file);
	file = below ? file_ref(below->file) : file_new(DEFAULT_DIRECTORY);
	node->differs = node->file && !file_same_metadata(node->file, file);
	if (!node->file)
		node_set_file(node, file_ref(file));
	node->flags |= NODE_IMPLIED;
	node->needed = true;
	return file;
}

/* Adds a node to the image, replacing `there` (may be NULL). */
static struct node *put(struct merge *merge, struct node *parent, const struct node *node,
			struct node *there, struct file *file)
{
	struct node *added;

	if (there)
		tree_remove(merge->image, there);
	added = tree_add(merge->image, parent, node->name, node->name_len);
	node_set_file(added, file);
	return added;
}

/*
 * Omits an implied directory that contains only whiteouts, where no directory is
 * below: they hide nothing.
 */
static void leave_out(struct merge *merge, struct node *node, const struct node *old)
{
	if (old) {
		/* The parent directory hides all of `old`; elsewhere it might not. */
		if (!node->detour || !node->detour->links)
			node_detour(node)->links = placement_links(old);
		tree_remove_children(merge->layer, node);
		node->flags = NODE_WHITEOUT | NODE_IMPLIED;
		node->needed = true;
		return;
	}
	node->differs = node->file != NULL; /* settled on other layers, where it was needed */
	if (node->differs)
		return;
	for (struct node *n = tree_next(node, node); n; n = tree_next(node, n))
		if (node_is_whiteout(n))
			n->flags |= NODE_VOID;
}

/* Returns false if the caller must skip everything beneath the directory. */
static bool merge_directory(struct merge *merge, struct node *node, struct node *parent,
			    struct node *there)
{
	struct node *old = NULL, *below = NULL;

	node->alone = false;
	if (hidden_by(node->parent)) {
		old = tree_child(merge->image, hidden_by(node->parent), node->name, node->name_len);
	} else if (node_is_dir(there) && !node_is_opaque(node)) {
		node->peer = there;
		node_set_file(there, directory_file(merge, node, there));
		return true;
	}
	if (!node->used && !node_is_dir(there)) {
		leave_out(merge, node, old);
		return false;
	}
	if (there && !node_is_dir(there) && (!node->file || node->flags & NODE_IMPLIED)) {
		node_path(node, &merge->path);
		error_set(merge->err,
			  "%s is a parent directory in this layer, but a %s in a layer below",
			  merge->path.data, S_ISLNK(there->file->mode) ? "symbolic link" : "file");
		return false;
	}
	if (node_is_dir(there)) {
		tree_detach(merge->image, there);
		there->next = merge->detached;
		merge->detached = there;
		old = there;
		if (!(node->flags & NODE_WHITEOUT))
			below = there;
		there = NULL;
	}
	node->peer = put(merge, parent, node, there, directory_file(merge, node, below));
	node->alone = !node_is_dir(old);
	if (!node->alone)
		hide(merge, node, old);
	return true;
}

/* Returns false if the caller must skip everything beneath the node. */
static bool merge_node(struct merge *merge, struct node *node)
{
	struct node *parent = node->parent->peer;
	/* A directory that is new has entries of this layer only. */
	struct node *there = node->parent->alone
				     ? NULL
				     : tree_child(merge->image, parent, node->name, node->name_len);
	struct file *file;

	if (node_is_passage(node))
		return true;
	if (node_is_whiteout(node)) {
		node->flags &= (uint8_t)~NODE_VOID;
		if (node->parent->alone && !node->stored)
			node->flags |= NODE_VOID;
		if (there)
			tree_remove(merge->image, there);
		return true;
	}
	if (node_is_possible_parent(node))
		return merge_directory(merge, node, parent, there);
	file = node->detour && node->detour->file ? node->detour->file : node->file;
	if (file) /* always: hard links are resolved */
		put(merge, parent, node, there, share(merge, file));
	return true;
}

static void merge_root(struct merge *merge)
{
	struct node *root = tree_root(merge->layer), *image = tree_root(merge->image);

	root->peer = image;
	if (node_is_opaque(root) && image->children) {
		/* Treat the image so far as another directory. */
		struct node *old = tree_add(merge->image, image, "", 0);

		tree_detach(merge->image, old);
		tree_move_children(merge->image, image, old);
		old->next = merge->detached;
		merge->detached = old;
		hide(merge, root, old);
	}
	node_set_file(image, directory_file(merge, root, image->file ? image : NULL));
}

int merge_layer(struct tree *image, struct tree *layer, ducc_error **err)
{
	ducc_error *error = NULL;
	struct merge merge = {.image = image, .layer = layer, .err = &error};
	struct node *root = tree_root(layer);
	int result;

	prepare_nodes(layer);
	result = merge_resolve_links(image, layer, err);
	if (!result) {
		merge_root(&merge);
		for (struct node *node = tree_next(root, root); node && !error;)
			node = merge_node(&merge, node) ? tree_next(root, node)
							: tree_skip(root, node);
		tree_sort(layer);
	}
	while (merge.detached) {
		struct node *next = merge.detached->next;

		tree_free_detached(image, merge.detached);
		merge.detached = next;
	}
	buffer_free(&merge.path);
	if (!error)
		return result;
	if (err && !*err)
		*err = error;
	else
		ducc_error_free(error);
	return -1;
}

void merge_finish(struct tree *image)
{
	struct node *root = tree_root(image);

	if (!root->file)
		node_set_file(root, file_new(DEFAULT_DIRECTORY));
	tree_sort(image);
	tree_count_links(image);
}

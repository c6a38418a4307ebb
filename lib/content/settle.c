/* Settling a layer on those below it: see settle.h. */
#include "content/settle.h"

#include "base/mem.h"
#include "content/listing.h"
#include "content/tarball.h"
#include "format/repo_paths.h"

void settle_mark(struct tree *tree, bool fresh)
{
	struct node *root = tree_root(tree);

	for (struct node *node = root; node; node = tree_next(root, node))
		node->stored = node->file ||
			       (!fresh && node_is_whiteout(node) && !(node->flags & NODE_VOID));
}

bool settle_is_addition(const struct node *node)
{
	return !node->stored &&
	       (node->file || (node_is_whiteout(node) && !(node->flags & NODE_VOID)));
}

bool settle_has_additions(struct tree *tree)
{
	struct node *root = tree_root(tree);

	for (struct node *node = root; node; node = tree_next(root, node))
		if (settle_is_addition(node))
			return true;
	return false;
}

static int add_node(struct tarball *tarball, const struct node *node, const char *path,
		    ducc_error **err)
{
	AUTO_FREE char *hardlink = NULL;

	if (!node->file)
		return tarball_whiteout(tarball, path, err);
	/* A hard link into a layer below; for links and devices, early versions did not note where. */
	if (!S_ISDIR(node->file->mode) && node->file->layer)
		hardlink = layer_path(node->file->layer, node->file->origin);
	return tarball_entry(tarball, path, node->file, hardlink, err);
}

int settle_append(int tar, const struct digest *layer, struct tree *tree, ducc_error **err)
{
	AUTO_FREE char *directory = layer_path(layer, "");
	AUTO_TARBALL *tarball = NULL;
	struct node *root = tree_root(tree);
	AUTO_BUFFER path = {0};

	if (!settle_has_additions(tree))
		return 0;
	tarball = tarball_append(tar, directory, err);
	if (!tarball)
		return -1;
	for (struct node *node = root; node; node = tree_next(root, node)) {
		if (!settle_is_addition(node))
			continue;
		node_path(node, &path);
		if (add_node(tarball, node, path.data, err) < 0)
			return error_wrap(err, "%s", path.data);
		node->stored = true;
	}
	return tarball_finish(tarball, err);
}

/* The new node is beneath the directory where `node` is in its own tree. */
static struct node *add_beneath(struct tree *tree, const struct node *node, struct buffer *path,
				ducc_error **err)
{
	struct node *parent;

	node_path(node->parent, path);
	parent = tree_find(tree, path->data);
	if (parent && node_is_possible_parent(parent))
		return tree_add(tree, parent, node->name, node->name_len);
	error_set_kind(err, DUCC_CORRUPT, "%s is not a directory in another listing of the layer",
		       path->data);
	return NULL;
}

/* What another image dropped at the node may depend on its links, wherever the layer is placed next. */
static void keep_links(struct node *there, const struct node *node)
{
	if (node->detour && node->detour->links && !(there->detour && there->detour->links))
		node_detour(there)->links = xstrdup(node->detour->links);
}

static int add_missing(struct tree *tree, const struct node *node, struct buffer *path,
		       ducc_error **err)
{
	struct node *there;

	node_path(node, path);
	there = tree_find(tree, path->data);
	if (there && (there->file || (node_is_whiteout(there) && !node->file))) {
		there->flags &= (uint8_t)~NODE_VOID;
		keep_links(there, node);
		return 0;
	}
	if (!there)
		there = add_beneath(tree, node, path, err);
	if (!there)
		return -1;
	if (node_is_whiteout(node))
		tree_remove_children(tree, there);
	there->flags = node->flags;
	keep_links(there, node);
	if (node->file)
		node_set_file(there, file_ref(node->file));
	return 0;
}

int settle_add_missing(struct tree *tree, struct tree *ours, ducc_error **err)
{
	struct node *root = tree_root(ours);
	AUTO_BUFFER path = {0};
	int result = 0;

	for (struct node *node = tree_next(root, root); node && !result;
	     node = tree_next(root, node))
		if (settle_is_addition(node))
			result = add_missing(tree, node, &path, err);
	tree_sort(tree);
	return result;
}

void settle_clear_links(struct tree *tree)
{
	struct node *root = tree_root(tree);

	for (struct node *node = root; node; node = tree_next(root, node))
		if (node->lower_link)
			node_set_file(node, NULL);
}

void settle_clear(struct tree *tree)
{
	struct node *root = tree_root(tree), *next;

	settle_clear_links(tree);
	for (struct node *node = root; node; node = next) {
		bool added = node->flags & NODE_IMPLIED;

		next = tree_next(root, node);
		if (added && node_is_whiteout(node) && !node->detour) {
			tree_remove(tree, node);
			continue;
		}
		if (added && node_is_whiteout(node))
			node->flags = 0;
		if (added)
			node_set_file(node, NULL);
		node->flags &= (uint8_t) ~(NODE_IMPLIED | NODE_VOID);
	}
}

bool settle_is_exact(struct tree *tree)
{
	struct node *root = tree_root(tree);

	for (const struct node *node = root; node; node = tree_next(root, node)) {
		bool added = node->flags & NODE_IMPLIED;

		if (node->differs || (added && !node->needed && node_is_entry(node)))
			return false;
		if (node_is_whiteout(node) && node_is_entry(node) && node->parent->alone)
			return false;
	}
	return true;
}

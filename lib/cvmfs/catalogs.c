/* Placement of nested catalogs: see catalogs.h. */
#include "cvmfs/catalogs.h"

#include "base/entries.h"
#include "base/mem.h"
#include "base/path.h"

static bool is_entry(const struct node *node)
{
	return node->file || (node_is_whiteout(node) && !(node->flags & NODE_VOID));
}

/* A child directory and its position among the children. */
struct candidate {
	struct node *node;
	size_t rank;
};

/* Orders children by their entries in the parent's catalog, the largest first. */
static int by_entries(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->node->entries != y->node->entries)
		return x->node->entries < y->node->entries ? 1 : -1;
	return (x->rank > y->rank) - (x->rank < y->rank);
}

struct candidates {
	struct candidate *list;
	size_t n, capacity;
};

static void list_children(struct candidates *children, const struct node *directory)
{
	children->n = 0;
	for (struct node *child = directory->children; child; child = child->next) {
		if (!child->children)
			continue;
		GROW(children->list, children->n, children->capacity);
		children->list[children->n] = (struct candidate){child, children->n};
		children->n++;
	}
	if (children->n)
		qsort(children->list, children->n, sizeof(*children->list), by_entries);
}

/* Places catalogs at the largest children until the rest fits into the catalog of the directory. */
static int divide(struct node *directory, struct candidates *children,
		  int (*place)(void *ctx, const struct node *directory), void *ctx)
{
	list_children(children, directory);
	for (size_t i = 0; i < children->n && directory->entries > CATALOG_MAX; i++) {
		struct node *child = children->list[i].node;

		if (child->entries < CATALOG_FEW ||
		    (child->entries < CATALOG_MIN && directory->entries <= CATALOG_LIMIT))
			return 0;
		if (place(ctx, child) < 0)
			return -1;
		directory->entries -= child->entries - 1; /* the child itself is in both */
		child->entries = 1;
	}
	return 0;
}

int64_t catalogs_place(struct tree *tree, int (*place)(void *ctx, const struct node *directory),
		       void *ctx)
{
	struct node *root = tree_root(tree);
	struct candidates children = {NULL};
	int64_t left = 0;

	for (struct node *node = root; node; node = tree_next(root, node))
		node->entries = is_entry(node);
	for (struct node *node = tree_bottom(root); node; node = tree_next_up(root, node)) {
		if (node->entries > CATALOG_MAX && divide(node, &children, place, ctx) < 0) {
			free(children.list);
			return -1;
		}
		if (node->parent)
			node->parent->entries += node->entries;
		else
			left = node->entries;
	}
	free(children.list);
	return left;
}

static uint64_t count_lines(int fd)
{
	AUTO_PIECES pieces = pieces_of(fd, 0, TO_THE_END);
	uint64_t lines = 0;

	while (pieces_next(&pieces))
		for (const char *p = pieces.data, *end = p + pieces.len;
		     (p = memchr(p, '\n', (size_t)(end - p))); p++)
			lines++;
	return lines;
}

uint64_t catalogs_count_small(const struct repository *repository, const char *directory,
			      enum repo_tree kind)
{
	AUTO_CLOSE int root = repository_root(repository);
	AUTO_ENTRIES entries = entries_open(root, directory);
	const char *name;
	uint64_t count = 0;

	while ((name = entries_next(&entries))) {
		AUTO_FREE char *marker = format("%s/%s/" CATALOG_MARKER, directory, name);
		AUTO_FREE char *path = NULL;
		struct digest digest;

		if (!digest_is_hex(name) || path_exists(root, marker))
			continue;
		memcpy(digest.hex, name, sizeof(digest.hex));
		path = repo_tree_listing(kind, &digest);
		AUTO_CLOSE int lines = path_open_file(root, path);
		if (lines >= 0)
			count += count_lines(lines);
	}
	return count;
}

/* The special files of a layer or flat tree: see staged_tree.h. */
#include "cvmfs/staged_tree.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/parallel.h"
#include "cvmfs/chunking.h"

#define MARKER ".cvmfsgraft-"
#define NAME_LIMIT ((size_t)255)
#define RESOLVERS 4

void staged_tree_free(void *value)
{
	struct staged_tree *staged = value;

	for (int stage = 0; stage < STAGES; stage++)
		tree_free(staged->stages[stage]);
	tree_free(staged->links);
	free(staged->directory);
	free(staged->root);
	free(staged);
}

/* A copy for another tree, without extended attributes, which CernVM-FS drops. */
static struct file *copy_file(struct tree *to, const struct file *file)
{
	struct file *copy = file_new(file->mode);

	copy->uid = file->uid;
	copy->gid = file->gid;
	copy->mtime = file->mtime;
	copy->mtime_nsec = file->mtime_nsec;
	if (S_ISREG(file->mode)) {
		copy->size = file->size;
		memcpy(copy->sha256, file->sha256, sizeof(copy->sha256));
		file_set_origin(copy, tree_intern(to, file->layer), file->origin);
	}
	return copy;
}

/* Adds a copy of the directory and its parents. */
static struct node *copy_directory(struct tree *to, const struct node *from)
{
	AUTO_FREE const struct node **path = NULL;
	size_t n = 0, capacity = 0;
	struct node *at = tree_root(to);

	for (; from; from = from->parent) {
		GROW(path, n, capacity);
		path[n++] = from;
	}
	while (n) {
		const struct node *node = path[--n];

		if (node->parent) {
			struct node *child = tree_child(to, at, node->name, node->name_len);

			at = child ? child : tree_add(to, at, node->name, node->name_len);
		}
		if (!at->file)
			node_set_file(at, copy_file(to, node->file));
	}
	return at;
}

/* Adds a copy of the node, a regular file, to *to, which may be created. */
struct node *staged_add_file(struct tree **to, const struct node *from)
{
	struct node *parent, *node;

	if (!*to)
		*to = tree_new();
	parent = copy_directory(*to, from->parent);
	node = tree_add(*to, parent, from->name, from->name_len);
	node_set_file(node, copy_file(*to, from->file));
	return node;
}

/* True if a transaction would take the file for a marker. */
bool staged_is_marker(const struct node *node)
{
	return !strncmp(node->name, MARKER, strlen(MARKER));
}

bool staged_can_graft(const struct node *node)
{
	return node->name_len + strlen(MARKER) <= NAME_LIMIT && !staged_is_marker(node);
}

void staged_add_link(struct tree **to, const struct node *from, const char *path)
{
	staged_add_file(to, from)->file->target = xstrdup(path);
}

/* A file written as an empty one, and its marker, whose content staged_resolve() sets. */
void staged_add_graft(struct tree **to, const struct node *from, const char *path)
{
	AUTO_FREE char *marker = format(MARKER "%.*s", (int)from->name_len, from->name);
	struct node *node = staged_add_file(to, from);

	node->file->text = xstrdup("");
	node->file->target = xstrdup(path);
	node = tree_add(*to, node->parent, marker, strlen(marker));
	node_set_file(node, file_new(S_IFREG | 0644));
}

bool staged_is_file(const struct node *node)
{
	return node->file && S_ISREG(node->file->mode) && !staged_is_marker(node);
}

static uint64_t bytes_of(struct tree *tree)
{
	struct node *root = tree_root(tree);
	uint64_t bytes = 0;

	for (struct node *node = root; node; node = tree_next(root, node))
		bytes += staged_is_file(node) ? node->file->size : 0;
	return bytes;
}

uint64_t staged_second_bytes(const struct staged_tree *staged)
{
	return staged->stages[1] ? bytes_of(staged->stages[1]) : 0;
}

void staged_write_second(struct staged_tree *staged)
{
	struct node *root = tree_root(staged->stages[1]);

	for (struct node *node = root; node; node = tree_next(root, node)) {
		if (!staged_is_file(node))
			continue;
		staged_add_file(&staged->stages[0], node);
		staged->bytes += node->file->size;
	}
	tree_free(staged->stages[1]);
	staged->stages[1] = NULL;
}

/* Markers are no files of the image. */
const struct file *staged_file_at(const struct tree *tree, const char *path)
{
	const struct node *node = tree ? tree_find(tree, path) : NULL;

	return node && staged_is_file(node) ? node->file : NULL;
}

struct staged_tree *staged_tree_new(const char *directory, const struct digest *layer)
{
	struct staged_tree *staged = xcalloc(1, sizeof(*staged));

	staged->directory = xstrdup(directory);
	if (layer)
		staged->layer = *layer;
	return staged;
}

const struct file *staged_special(const struct staged_tree *staged, const char *path)
{
	const struct file *file = staged ? staged_file_at(staged->links, path) : NULL;

	for (int stage = 0; staged && !file && stage < STAGES; stage++)
		file = staged_file_at(staged->stages[stage], path);
	return file;
}

bool staged_has_markers(struct tree *tree)
{
	struct node *root = tree_root(tree);

	for (const struct node *node = tree_next(root, root); node; node = tree_next(root, node))
		if (staged_is_marker(node))
			return true;
	return false;
}

struct graft {
	const struct file *file;
	struct file *marker; /* whose text is to be set */
};

struct grafts {
	const struct repository *repository;
	struct graft *list;
	size_t n, capacity;
};

static void list_grafts(struct grafts *grafts, struct tree *tree)
{
	struct node *root = tree_root(tree);

	for (struct node *node = root; node; node = tree_next(root, node)) {
		AUTO_FREE char *name = NULL;

		if (!node->file || !S_ISREG(node->file->mode) || !node->file->target)
			continue;
		name = format(MARKER "%.*s", (int)node->name_len, node->name);
		GROW(grafts->list, grafts->n, grafts->capacity);
		grafts->list[grafts->n++] = (struct graft){
			node->file, tree_child(tree, node->parent, name, strlen(name))->file};
	}
}

static int resolve(void *ctx, size_t i, ducc_error **err)
{
	const struct grafts *grafts = ctx;
	const struct graft *graft = &grafts->list[i];

	free(STEAL(graft->marker->text));
	graft->marker->text =
		chunking_graft(grafts->repository, graft->file->target, graft->file->size, err);
	return graft->marker->text ? 0 : -1;
}

int staged_resolve(struct tree *tree, const struct repository *repository, ducc_error **err)
{
	struct grafts grafts = {.repository = repository};
	int result;

	list_grafts(&grafts, tree);
	/* Each is a question to the client of the mount, which answers several at once. */
	result = parallel_run(grafts.n, RESOLVERS, resolve, &grafts, err);
	free(grafts.list);
	return result;
}

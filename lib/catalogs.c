/* Where nested catalogs go: see catalogs.h. */
#include "catalogs.h"

#include <dirent.h>
#include <fcntl.h>

#include "mem.h"
#include "path.h"

#define READ_SIZE ((size_t)1 << 20)

static bool is_entry(const struct node *node)
{
	return node->file || (node_is_whiteout(node) && !(node->flags & NODE_VOID));
}

/* The child directory with the most entries in the catalog of its parent. */
static struct node *largest_child(const struct node *directory)
{
	struct node *largest = NULL;

	for (struct node *child = directory->children; child; child = child->next)
		if (child->children && (!largest || child->entries > largest->entries))
			largest = child;
	return largest;
}

int64_t catalogs_place(struct tree *tree, int (*place)(void *ctx, const struct node *directory),
		       void *ctx)
{
	struct node *root = tree_root(tree);
	AUTO_FREE struct node **nodes = NULL;
	size_t n = 0, capacity = 0;
	int64_t left = 0;

	for (struct node *node = root; node; node = tree_next(root, node)) {
		GROW(nodes, n, capacity);
		nodes[n++] = node;
		node->entries = is_entry(node);
	}
	/* Backwards through the preorder: what is beneath a directory is counted before it. */
	while (n) {
		struct node *node = nodes[--n];

		while (node->entries > CATALOG_MAX) {
			struct node *child = largest_child(node);

			if (!child || child->entries < CATALOG_FEW ||
			    (child->entries < CATALOG_MIN && node->entries <= CATALOG_LIMIT))
				break;
			if (place(ctx, child) < 0)
				return -1;
			node->entries -= child->entries - 1; /* the child itself is in both */
			child->entries = 1;
		}
		if (node->parent)
			node->parent->entries += node->entries;
		else
			left = node->entries;
	}
	return left;
}

static uint64_t count_lines(int fd)
{
	AUTO_FREE char *data = xmalloc(READ_SIZE);
	uint64_t lines = 0;
	ssize_t n;

	while ((n = read(fd, data, READ_SIZE)) > 0)
		for (const char *p = data; (p = memchr(p, '\n', (size_t)(data + n - p))); p++)
			lines++;
	return lines;
}

uint64_t catalogs_count_small(const struct repository *repository, const char *directory,
			      char *(*listing)(const struct digest *digest))
{
	AUTO_CLOSE int root = repository_root(repository);
	int fd = root < 0 ? -1 : path_open(root, directory, O_RDONLY | O_DIRECTORY, 0);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	uint64_t entries = 0;

	if (!stream) {
		cleanup_close(&fd);
		return 0;
	}
	while ((entry = readdir(stream))) {
		AUTO_FREE char *marker = format("%s/%s/" CATALOG_MARKER, directory, entry->d_name);
		AUTO_FREE char *path = NULL;
		struct digest digest;

		if (!digest_is_hex(entry->d_name) || path_exists(root, marker))
			continue;
		memcpy(digest.hex, entry->d_name, sizeof(digest.hex));
		path = listing(&digest);
		AUTO_CLOSE int lines = path_open_file(root, path);
		if (lines >= 0)
			entries += count_lines(lines);
	}
	closedir(stream);
	return entries;
}

/* Completing a published layer in a directory: see directory_complete.h. */
#include "repo/directory_complete.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"
#include "content/extract.h"

/* Opens the directory and those above it, from the root on, and marks them as used. */
static int open_directories(int layerfs, struct node *node)
{
	AUTO_BUFFER path = {0};
	AUTO_FREE struct node **directories = NULL;
	size_t n = 0, capacity = 0;

	for (; node && !node->used; node = node->parent) {
		GROW(directories, n, capacity);
		directories[n++] = node;
		node->used = true;
	}
	while (n) {
		node_path(directories[--n], &path);
		if (path_permit(layerfs, path.data) < 0)
			return -1;
	}
	return 0;
}

/* Sets the metadata of the directories that were used, their contents first. */
static int close_directories(int layerfs, struct node *root)
{
	struct extract_report report = {0};
	AUTO_BUFFER path = {0};

	for (struct node *node = tree_bottom(root); node; node = tree_next_up(root, node)) {
		if (!node->used || !node_is_dir(node))
			continue;
		node_path(node, &path);
		AUTO_CLOSE int fd = path_open(layerfs, path.data, O_RDONLY | O_DIRECTORY, 0);
		if (fd < 0 || set_metadata(fd, node->file, &report) < 0)
			return -1;
	}
	return 0;
}

int directory_complete(int layerfs, struct tree *tree)
{
	struct node *root = tree_root(tree);
	AUTO_BUFFER path = {0};

	for (struct node *node = tree_next(root, root); node; node = tree_next(root, node)) {
		bool whiteout = node_is_whiteout(node) && !(node->flags & NODE_VOID);
		const char *name;

		if (!whiteout && !(node->flags & NODE_IMPLIED && node_is_dir(node)))
			continue;
		node_path(node, &path);
		if (open_directories(layerfs, node->parent) < 0)
			return -1;
		AUTO_CLOSE int parent = path_open_parent(layerfs, path.data, &name);
		if (parent < 0 ||
		    ((whiteout ? make_whiteout(parent, name) : mkdirat(parent, name, 0700)) < 0 &&
		     errno != EEXIST) ||
		    (!whiteout && open_directories(layerfs, node) < 0))
			return -1;
	}
	return close_directories(layerfs, root);
}

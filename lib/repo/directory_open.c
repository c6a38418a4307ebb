/* Opening directories to their owner: see directory_open.h. */
#include "repo/directory_open.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"
#include "content/listing.h"
#include "format/repo_paths.h"

/* Adds the closed directories of a published layer, the contents of each before it. */
static void add_closed(struct plan *opened, const struct digest *layer, struct tree *tree)
{
	struct node *root = tree_root(tree);
	AUTO_BUFFER path = {0};

	for (struct node *node = tree_bottom(root); node; node = tree_next_up(root, node)) {
		AUTO_FREE char *mode = NULL, *place = NULL;

		if (!node_is_dir(node) || (node->file->mode & S_IRWXU) == S_IRWXU)
			continue;
		mode = format("%04o", (unsigned)node->file->mode & 07777);
		node_path(node, &path);
		place = layer_path(layer, path.data);
		plan_add(opened, PLAN_CHMOD, mode, place);
	}
}

/* True if the plan has directories of the layer: another image has opened all of them. */
static bool has_layer(const struct plan *opened, const struct digest *layer)
{
	AUTO_FREE char *root = layer_path(layer, "");
	size_t len = strlen(root);

	for (size_t i = 0; i < opened->n; i++)
		if (!strncmp(opened->steps[i].path, root, len))
			return true;
	return false;
}

int directory_open_layer(const struct repository *repository, int root, struct plan *opened,
			 const struct digest *layer, ducc_error **err)
{
	AUTO_CLOSE int listing = -1;
	AUTO_TREE *tree = NULL;
	struct listing_head head;
	size_t before = opened->n;

	if (has_layer(opened, layer))
		return 0;
	listing = repository_open_listing(repository, layer);
	if (listing < 0)
		return 0;
	tree = listing_read(listing, &head, err);
	if (!tree)
		return error_wrap(err, "published listing");
	add_closed(opened, layer, tree);
	if (opened->n == before)
		return 0;
	if (plan_write(opened, root, DIRECTORY_OPENED, err) < 0)
		return -1;
	for (size_t i = opened->n; i > before; i--)
		if (path_permit(root, opened->steps[i - 1].path) < 0)
			return error_errno(err, errno, "%s", opened->steps[i - 1].path);
	return 0;
}

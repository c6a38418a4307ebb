/* Rewriting the tar of a layer: see compact.h. */
#include "content/compact.h"

#include <errno.h>

#include "base/file.h"
#include "base/mem.h"
#include "content/listing.h"
#include "content/tarball.h"
#include "format/repo_paths.h"

void compact_origins(struct tree *tree, const struct digest *layer)
{
	struct node *root = tree_root(tree), *node;
	AUTO_BUFFER path = {0};

	for (node = root; node; node = tree_next(root, node))
		if (node->file)
			node->file->layer = NULL;
	for (node = root; node; node = tree_next(root, node)) {
		if (!node->file || node->file->layer)
			continue;
		node_path(node, &path);
		file_set_origin(node->file, tree_intern(tree, layer), path.data);
	}
}

static int copy_range(int from, uint64_t offset, uint64_t size, struct tarball *to,
		      ducc_error **err)
{
	AUTO_PIECES pieces = pieces_of(from, offset, size);

	while (pieces_next(&pieces))
		if (tarball_data(to, pieces.data, pieces.len, err) < 0)
			return -1;
	return pieces.error ? error_errno(err, pieces.error, "read") : 0;
}

/* Writes the whole tree, with the contents from the old tar at `fd`. */
static int write_again(struct tarball *tarball, struct tree *tree, int fd, ducc_error **err)
{
	struct node *root = tree_root(tree);
	AUTO_BUFFER path = {0};

	for (struct node *node = root; node; node = tree_next(root, node)) {
		AUTO_FREE char *hardlink = NULL;
		struct file *file = node->file;

		if (!file)
			continue;
		node_path(node, &path);
		if (!S_ISDIR(file->mode) && strcmp(path.data, file->origin) != 0)
			hardlink = layer_path(file->layer, file->origin);
		if (tarball_entry(tarball, path.data, file, hardlink, err) < 0)
			return -1;
		if (S_ISREG(file->mode) && !hardlink &&
		    copy_range(fd, file->data, file->size, tarball, err) < 0)
			return -1;
	}
	return tarball_finish(tarball, err);
}

/* Moves `size` bytes at `offset` to the beginning of the file, and truncates it. */
static int shift_down(int fd, uint64_t offset, uint64_t size, ducc_error **err)
{
	AUTO_PIECES pieces = pieces_of(fd, offset, size);

	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "seek");
	while (pieces_next(&pieces))
		if (write_all(fd, pieces.data, pieces.len) < 0)
			return error_errno(err, errno, "copy");
	if (pieces.error)
		return error_errno(err, pieces.error, "copy");
	if (ftruncate(fd, (off_t)size) < 0 || lseek(fd, 0, SEEK_END) < 0)
		return error_errno(err, errno, "truncate");
	return 0;
}

int compact(int fd, struct tree *tree, const struct digest *layer, ducc_error **err)
{
	off_t start = lseek(fd, 0, SEEK_END);
	AUTO_FREE char *directory = layer_path(layer, "");
	AUTO_TARBALL *tarball = NULL;

	if (start < 0)
		return error_errno(err, errno, "seek");
	tarball = tarball_new(fd, directory);
	if (write_again(tarball, tree, fd, err) < 0)
		return -1;
	return shift_down(fd, (uint64_t)start, tarball_offset(tarball), err);
}

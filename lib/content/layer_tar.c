/* Reading the tar of a layer: see layer_tar.h. */
#include "content/layer_tar.h"

#include <archive.h>
#include <archive_entry.h>

#include "content/c_locale.h"
#include "content/tar_mtime.h"
#include "format/repo_paths.h"

#define READ_SIZE ((size_t)1 << 20)

static int failed(const struct layer_tar *tar, ducc_error **err)
{
	const char *text = archive_error_string(tar->archive);

	return error_set_kind(err, DUCC_CORRUPT, "%s", text ? text : "not a tar");
}

int layer_tar_open(struct layer_tar *tar, int fd, const struct digest *layer, ducc_error **err)
{
	*tar = (struct layer_tar){.archive = xalloc(archive_read_new()),
				  .hasher = hasher_new(),
				  .prefix = layer_path(layer, "")};
	archive_read_support_format_tar(tar->archive);
	archive_read_support_format_empty(tar->archive);
	return archive_read_open_fd(tar->archive, fd, READ_SIZE) == ARCHIVE_OK ? 0
									       : failed(tar, err);
}

void layer_tar_close(struct layer_tar *tar)
{
	archive_read_free(tar->archive);
	hasher_free(tar->hasher);
	free(tar->prefix);
	*tar = (struct layer_tar){.archive = NULL};
}

int layer_tar_next(struct layer_tar *tar, const char **path, ducc_error **err)
{
	size_t len = strlen(tar->prefix);
	const char *name;
	int result;
	PLAIN_BYTES;

	result = archive_read_next_header(tar->archive, &tar->entry);
	if (result == ARCHIVE_EOF)
		return 0;
	if (result != ARCHIVE_OK && result != ARCHIVE_WARN)
		return failed(tar, err);
	name = archive_entry_pathname(tar->entry);
	if (!name || strncmp(name, tar->prefix, len) != 0 || (name[len] && name[len] != '/'))
		return error_set_kind(err, DUCC_CORRUPT, "%s: not an entry of this layer",
				      name ? name : "?");
	*path = name + len + (name[len] == '/');
	tar->is_link = archive_entry_hardlink(tar->entry) != NULL;
	tar->has_content = !tar->is_link && archive_entry_filetype(tar->entry) == AE_IFREG;
	return 1;
}

static bool is_device(mode_t mode)
{
	return S_ISCHR(mode) || S_ISBLK(mode);
}

/*
 * True if that is the time of the file.  A fraction is in the tar only if the entry needs a pax
 * header for something else.
 */
static bool is_time(const struct file *file, int64_t mtime, uint32_t nsec)
{
	return mtime == file->mtime && (!nsec || nsec == file->mtime_nsec);
}

/* What libarchive writes of a time before 1970, it reads again; other versions may be right. */
static bool has_time(struct archive_entry *entry, const struct file *file)
{
	int64_t mtime;
	uint32_t nsec;

	mtime_get(entry, &mtime, &nsec);
	return is_time(file, mtime, nsec) ||
	       is_time(file, archive_entry_mtime(entry), (uint32_t)archive_entry_mtime_nsec(entry));
}

/* True if the current entry has these metadata. */
static bool agrees(const struct layer_tar *tar, const struct file *file)
{
	struct archive_entry *entry = tar->entry;
	const char *target;

	if (archive_entry_perm(entry) != (file->mode & 07777) ||
	    archive_entry_uid(entry) != file->uid || archive_entry_gid(entry) != file->gid ||
	    !has_time(entry, file))
		return false;
	if (tar->is_link)
		return true;
	target = archive_entry_symlink(entry);
	return archive_entry_filetype(entry) == (file->mode & S_IFMT) &&
	       (!S_ISLNK(file->mode) || (target && !strcmp(target, file->target))) &&
	       (!is_device(file->mode) || (archive_entry_rdevmajor(entry) == file->major &&
					   archive_entry_rdevminor(entry) == file->minor));
}

struct node *layer_tar_node(struct layer_tar *tar, struct tree *tree, const char *path,
			    ducc_error **err)
{
	static const struct file whiteout = {.mode = S_IFCHR};
	struct node *node = tree_find(tree, path);
	PLAIN_BYTES;

	if (!node_is_entry(node)) {
		error_set_kind(err, DUCC_CORRUPT,
			       "not in the layer's listing: the store is damaged");
		return NULL;
	}
	if (!agrees(tar, node->file ? node->file : &whiteout)) {
		error_set_kind(err, DUCC_CORRUPT,
			       "does not agree with the layer's listing: the store is damaged");
		return NULL;
	}
	node->used = true;
	return node;
}

int layer_tar_check_end(struct tree *tree, ducc_error **err)
{
	struct node *root = tree_root(tree);
	AUTO_BUFFER path = {0};

	for (struct node *node = root; node; node = tree_next(root, node)) {
		if (node->used || !node_is_entry(node))
			continue;
		node_path(node, &path);
		return error_set_kind(err, DUCC_CORRUPT,
				      "%s: missing from the layer's tar: the store is damaged",
				      path.len ? path.data : "/");
	}
	return 0;
}

int layer_tar_copy(struct layer_tar *tar, const struct file *file,
		   int (*write)(void *ctx, const void *data, size_t len, ducc_error **err),
		   void *ctx, ducc_error **err)
{
	uint8_t sha256[SHA256_SIZE];
	const void *data;
	la_int64_t offset;
	size_t len;
	int result;

	hasher_reset(tar->hasher);
	while ((result = archive_read_data_block(tar->archive, &data, &len, &offset)) ==
	       ARCHIVE_OK) {
		hasher_update(tar->hasher, data, len);
		if (write(ctx, data, len, err) < 0)
			return -1;
	}
	if (result != ARCHIVE_EOF)
		return failed(tar, err);
	hasher_final(tar->hasher, sha256);
	if (memcmp(sha256, file->sha256, sizeof(sha256)) != 0)
		return error_set_kind(
			err, DUCC_CORRUPT,
			"its content is not that of the listing: the store is damaged");
	return 0;
}

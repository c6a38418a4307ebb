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
	return error_set(err, "%s", archive_error_string(tar->archive));
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
		return error_set(err, "%s: not an entry of this layer", name ? name : "?");
	*path = name + len + (name[len] == '/');
	tar->is_link = archive_entry_hardlink(tar->entry) != NULL;
	tar->has_content = !tar->is_link && archive_entry_filetype(tar->entry) == AE_IFREG;
	return 1;
}

bool layer_tar_agrees(const struct layer_tar *tar, const struct file *file)
{
	struct archive_entry *entry = tar->entry;
	const char *target;
	int64_t mtime;
	uint32_t mtime_nsec;
	PLAIN_BYTES;

	/* A fraction is in the tar only if the entry needs a pax header for something else. */
	mtime_get(entry, &mtime, &mtime_nsec);
	target = archive_entry_symlink(entry);
	return (tar->is_link || archive_entry_filetype(entry) == (file->mode & S_IFMT)) &&
	       archive_entry_perm(entry) == (file->mode & 07777) &&
	       archive_entry_uid(entry) == file->uid && archive_entry_gid(entry) == file->gid &&
	       mtime == file->mtime && (!mtime_nsec || mtime_nsec == file->mtime_nsec) &&
	       (!S_ISLNK(file->mode) || tar->is_link || (target && !strcmp(target, file->target)));
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
		return error_set(err,
				 "its content is not that of the listing: the store is damaged");
	return 0;
}

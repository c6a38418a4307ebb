/* Reading the tar of a layer: see layer_tar.h. */
#include "content/layer_tar.h"

#include <archive.h>
#include <archive_entry.h>

#include "content/c_locale.h"
#include "format/repo_paths.h"

#define READ_SIZE ((size_t)1 << 20)

static int failed(const struct layer_tar *tar, ducc_error **err)
{
	return error_set(err, "%s", archive_error_string(tar->archive));
}

int layer_tar_open(struct layer_tar *tar, int fd, const struct digest *layer, ducc_error **err)
{
	*tar = (struct layer_tar){.archive = xalloc(archive_read_new()),
				  .prefix = layer_path(layer, "")};
	archive_read_support_format_tar(tar->archive);
	archive_read_support_format_empty(tar->archive);
	return archive_read_open_fd(tar->archive, fd, READ_SIZE) == ARCHIVE_OK ? 0
									       : failed(tar, err);
}

void layer_tar_close(struct layer_tar *tar)
{
	archive_read_free(tar->archive);
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
	tar->has_content = archive_entry_filetype(tar->entry) == AE_IFREG &&
			   !archive_entry_hardlink(tar->entry);
	return 1;
}

int layer_tar_read(struct layer_tar *tar, const void **data, size_t *len, ducc_error **err)
{
	la_int64_t offset;
	int result = archive_read_data_block(tar->archive, data, len, &offset);

	if (result == ARCHIVE_EOF)
		return 0;
	return result == ARCHIVE_OK ? 1 : failed(tar, err);
}

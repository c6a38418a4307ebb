/* The store's copy of a repository's metadata: see metadata_copy.h. */
#include "cvmfs/metadata_copy.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/removal.h"
#include "content/c_locale.h"

#define BLOCK_SIZE ((size_t)64 << 10)
#define TEMPORARY ".new"

/* ".flat/xx/ID/...", a file in a flat tree, of which the copy has only the directory. */
static bool is_in_flat(const char *path)
{
	const char *id = strlen(path) > 9 && !strncmp(path, ".flat/", 6) ? path + 9 : "";

	return strchr(id, '/') != NULL;
}

static int put_file(int root, struct archive *archive)
{
	AUTO_CLOSE int fd = path_open(root, TEMPORARY, O_WRONLY | O_CREAT | O_EXCL, 0644);

	/* regardless of the umask */
	return fd >= 0 && !fchmod(fd, 0644) && archive_read_data_into_fd(archive, fd) == ARCHIVE_OK
		       ? 0
		       : -1;
}

/* Creates the entry under a temporary name and renames it. */
static int put_entry(int root, struct archive *archive, struct archive_entry *entry,
		     const char *path)
{
	const char *hardlink = archive_entry_hardlink(entry);
	const char *name;
	AUTO_CLOSE int parent = path_open_parent(root, path, &name);
	int result;

	if (parent < 0)
		return -1;
	if (archive_entry_filetype(entry) == AE_IFDIR) {
		if (mkdirat(parent, name, 0755) < 0)
			return errno == EEXIST ? 0 : -1;
		return fchmodat(parent, name, 0755, 0);
	}
	if (path_remove(root, TEMPORARY) < 0)
		return -1;
	if (hardlink)
		result = linkat(root, hardlink, root, TEMPORARY, 0);
	else if (archive_entry_filetype(entry) == AE_IFLNK)
		result = symlinkat(archive_entry_symlink(entry), root, TEMPORARY);
	else
		result = put_file(root, archive);
	return result < 0 ? -1 : renameat(root, TEMPORARY, parent, name);
}

static int put_all(int root, struct archive *archive, ducc_error **err)
{
	struct archive_entry *entry;
	int result;

	while ((result = archive_read_next_header(archive, &entry)) == ARCHIVE_OK ||
	       result == ARCHIVE_WARN) {
		AUTO_FREE char *path = xstrdup(archive_entry_pathname(entry));
		size_t len = strlen(path);

		if (len && path[len - 1] == '/')
			path[len - 1] = '\0';
		if (!is_in_flat(path) && put_entry(root, archive, entry, path) < 0)
			return error_errno(err, errno, "%s", path);
	}
	if (result != ARCHIVE_EOF)
		return error_set(err, "%s", archive_error_string(archive));
	return 0;
}

int metadata_copy_put(int root, int fd, ducc_error **err)
{
	struct archive *archive = xalloc(archive_read_new());
	int result;
	PLAIN_BYTES;

	archive_read_support_format_tar(archive);
	if (lseek(fd, 0, SEEK_SET) < 0)
		result = error_errno(err, errno, "tar");
	else if (archive_read_open_fd(archive, fd, BLOCK_SIZE) != ARCHIVE_OK)
		result = error_set(err, "%s", archive_error_string(archive));
	else
		result = put_all(root, archive, err);
	archive_read_free(archive);
	return result;
}

void metadata_copy_update(struct context *context, const struct repository *repository, int fd)
{
	AUTO_CLOSE int root = repository_root(repository);
	ducc_error *err = NULL;

	if (root < 0)
		error_errno(&err, errno, "open");
	else
		metadata_copy_put(root, fd, &err);
	if (err)
		context_notice(context, DUCC_WARNING, "%s: copy of the metadata: %s",
			       repository->path, ducc_error_message(err));
	ducc_error_free(err);
}

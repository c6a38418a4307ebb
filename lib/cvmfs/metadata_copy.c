/* The store's copy of a repository's metadata: see metadata_copy.h. */
#include "cvmfs/metadata_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/removal.h"
#include "content/tar_reader.h"
#include "cvmfs/newest.h"
#include "cvmfs/payload.h"
#include "cvmfs/runner.h"
#include "format/repo_paths.h"

#define TEMPORARY ".new"
#define REVISION ".revision"
#define REVISION_LIMIT ((size_t)256)

/* The part of a path after that of a directory in .flat or .layers, TOP/xx/ID; or NULL. */
static const char *in_directory(const char *path, const char *top)
{
	size_t len = strlen(top);
	const char *id = strncmp(path, top, len) != 0 || path[len] != '/'
				 ? NULL
				 : strchr(path + len + 1, '/');
	const char *slash = id ? strchr(id + 1, '/') : NULL;

	return slash ? slash + 1 : NULL;
}

/* True for an entry of a flat tree or a layer, of which the copy has only the directory. */
static bool is_in_tree(const char *path)
{
	const char *in_layer = in_directory(path, REPO_LAYERS);

	if (in_layer)
		return strchr(in_layer, '/') && strncmp(in_layer, ".metadata/", 10) != 0;
	return in_directory(path, REPO_FLAT);
}

static int put_file(int root, struct tar_reader *tar, ducc_error **err)
{
	AUTO_CLOSE int fd = path_open(root, TEMPORARY, O_WRONLY | O_CREAT | O_EXCL, 0644);

	if (fd < 0 || fchmod(fd, 0644) < 0) /* regardless of the umask */
		return error_errno(err, errno, "create");
	return tar_reader_copy(tar, file_sink, &fd, err);
}

/* Creates the entry under a temporary name and renames it. */
static int put_entry(int root, struct tar_reader *tar, const struct tar_entry *entry,
		     const char *path, ducc_error **err)
{
	const char *name;
	AUTO_CLOSE int parent = path_open_parent(root, path, &name);
	int result = 0;

	if (parent < 0)
		return error_errno(err, errno, "open");
	if (S_ISDIR(entry->mode))
		return path_mkdir(parent, name) < 0 ? error_errno(err, errno, "mkdir") : 0;
	if (path_remove(root, TEMPORARY) < 0)
		return error_errno(err, errno, "remove");
	if (entry->is_hard_link)
		result = linkat(root, entry->link, root, TEMPORARY, 0);
	else if (S_ISLNK(entry->mode))
		result = symlinkat(entry->link, root, TEMPORARY);
	else if (put_file(root, tar, err) < 0)
		return -1;
	if (result < 0 || renameat(root, TEMPORARY, parent, name) < 0)
		return error_errno(err, errno, "create");
	return 0;
}

int metadata_copy_put(int root, int fd, ducc_error **err)
{
	AUTO_TAR_READER *tar = tar_reader_file(fd, 0, TAR_HEADER_LIMIT);
	const struct tar_entry *entry;
	int result;

	while ((result = tar_reader_next(tar, &entry, err)) > 0) {
		AUTO_FREE char *path = xstrdup(entry->name);
		size_t len = strlen(path);

		if (len && path[len - 1] == '/')
			path[len - 1] = '\0';
		if (!is_in_tree(path) && put_entry(root, tar, entry, path, err) < 0)
			return error_wrap(err, "%s", path);
	}
	return result < 0 ? error_wrap(err, PAYLOAD) : 0;
}

/* --- its revision ----------------------------------------------------- */

/* Notes a revision as its number, and the hash of its root catalog if that is known. */
static int note(const struct repository *repository, unsigned long long number, const char *hash,
		ducc_error **err)
{
	AUTO_FREE char *text = hash ? format("%llu %s", number, hash) : format("%llu", number);
	AUTO_CLOSE int root = repository_root(repository);

	if (root < 0 || file_replace(root, REVISION, text, strlen(text)) < 0)
		return error_errno(err, errno, "%s/" REVISION, repository->path);
	return 0;
}

#define REPLACE                                                                                    \
	"replace the directory %s by one with .metadata, podmanStore and .layers/*/*/.metadata "   \
	"from a client"

/* Returns 1 if the copy is of this revision, 0 if it is of a later one, or -1. */
static int compare(const struct repository *repository, unsigned long long number, const char *hash,
		   ducc_error **err)
{
	AUTO_FREE char *named = format("%llu %s", number, hash), *noted = NULL;
	size_t len = 0;
	int result = repository_read(repository, REVISION, REVISION_LIMIT, &noted, &len, err);

	if (result < 0)
		return -1;
	if (result && !strcmp(noted, named))
		return 1;
	if (!result || (!strncmp(noted, named, len) && named[len] == ' ')) /* no hash yet */
		return note(repository, number, hash, err) < 0 ? -1 : 1;
	if (strtoull(noted, NULL, 10) > number)
		return 0;
	return error_set(
		err,
		"not mounted here, and the copy of its metadata is not of the revision "
		"that is published; either mount it (`cvmfs_server mount %s'), or " REPLACE,
		repository->name, repository->path);
}

int metadata_copy_check(struct context *context, const struct repository *repository,
			unsigned long long *number, ducc_error **err)
{
	static const char what[] =
		"the Stratum 0, or a cache, names an earlier revision than that of the copy of the "
		"metadata";
	struct patience patience = {0};

	for (;;) {
		AUTO_FREE char *newest = NULL;
		int result;

		*number = 0;
		result = newest_published(context, repository, &newest, number, err);
		if (result <= 0)
			return result;
		result = compare(repository, *number, newest, err);
		if (result)
			return result < 0 ? -1 : 0;
		result = runner_pause(context, &patience, what, err);
		if (result)
			return result < 0 ? -1
					  : error_set_kind(err, DUCC_BUSY,
							   "%s; if that is no cache, " REPLACE,
							   what, repository->path);
	}
}

/*
 * Notes that the copy is of the revision after the one before: it was published in a transaction
 * in which that one was the newest.  If the server does not name it yet, its hash is not known, but
 * there can be no other with its number.
 */
static int note_next(struct context *context, const struct repository *repository,
		     unsigned long long before, ducc_error **err)
{
	AUTO_FREE char *newest = NULL;
	unsigned long long number = 0;
	int result = newest_published(context, repository, &newest, &number, NULL);

	if (!result)
		return 0;
	if (result > 0 && number > before + 1)
		return error_set(err, "others have published in the meantime");
	return note(repository, before + 1, number == before + 1 ? newest : NULL, err);
}

void metadata_copy_update(struct context *context, const struct repository *repository, int fd,
			  unsigned long long before)
{
	AUTO_CLOSE int root = repository_root(repository);
	ducc_error *err = NULL;

	if (root < 0)
		error_errno(&err, errno, "open");
	else if (!metadata_copy_put(root, fd, &err))
		note_next(context, repository, before, &err);
	if (err)
		context_notice(context, DUCC_WARNING, "%s: copy of the metadata: %s",
			       repository->path, ducc_error_message(err));
	ducc_error_free(err);
}

int metadata_copy_remove(const struct store *store, const struct repository *repository,
			 ducc_error **err)
{
	AUTO_FREE char *path = format("repositories/%s", repository->name);

	if (path_remove(store->fd, path) < 0)
		return error_errno(err, errno, "%s/%s", store->path, path);
	return 0;
}

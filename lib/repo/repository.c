/* A repository: see repository.h. */
#include "repo/repository.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "format/repo_paths.h"
#include "base/buffer.h"
#include "content/listing.h"
#include "base/mem.h"
#include "base/path.h"

/* True for a mount of CernVM-FS, even of an empty repository; a mount point without it is empty. */
static bool is_mounted(const char *path)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && (fgetxattr(fd, "user.root_hash", NULL, 0) > 0 || !path_is_empty(fd));
}

/* Where the machine's own directories are; "" for / itself. */
static const char *sysroot(void)
{
	const char *root = getenv("DUCC_SYSROOT");

	return root ? root : "";
}

char *repository_mount(const struct repository *repository)
{
	return format("%s/cvmfs/%s", sysroot(), repository->name);
}

void repository_find(struct repository *repository, const char *store)
{
	AUTO_FREE char *rdonly = NULL, *mount = NULL, *copy = NULL;

	free(repository->spool);
	free(repository->path);
	repository->path = NULL;
	repository->copy = false;
	repository->spool = format("%s/var/spool/cvmfs/%s", sysroot(), repository->name);
	rdonly = format("%s/rdonly", repository->spool);
	mount = repository_mount(repository);
	copy = format("%s/repositories/%s", store, repository->name);
	if (is_mounted(rdonly)) {
		repository->path = STEAL(rdonly);
	} else if (is_mounted(mount)) {
		repository->path = STEAL(mount);
	} else if (!access(copy, F_OK)) {
		repository->path = STEAL(copy);
		repository->copy = true;
	}
}

static bool is_host_name(const char *name)
{
	/* It is an argument of cvmfs_server, and a component of paths. */
	return *name && *name != '.' && *name != '-' &&
	       !name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				  ".-_")];
}

int repository_open(struct repository *repository, const char *name, const char *store,
		    ducc_error **err)
{
	int root;

	*repository = (struct repository){.name = xstrdup(name)};
	if (!strchr(name, '/')) {
		if (!is_host_name(name))
			return error_set(err, "repository %s: not a name of one", name);
		repository_find(repository, store);
		return repository->path != NULL;
	}
	root = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 && errno == ENOENT)
		return 0;
	if (root < 0)
		return error_errno(err, errno, "repository %s", name);
	close(root);
	repository->path = xstrdup(name);
	return 1;
}

int repository_create(struct repository *repository, ducc_error **err)
{
	if (path_mkdirs_named(repository->name, err) < 0)
		return error_wrap(err, "repository");
	if (!repository->path)
		repository->path = xstrdup(repository->name);
	return 0;
}

void repository_close(struct repository *repository)
{
	free(repository->name);
	free(repository->path);
	free(repository->spool);
	*repository = (struct repository){NULL};
}

int repository_root(const struct repository *repository)
{
	if (!repository->path) {
		errno = ENOENT;
		return -1;
	}
	return open(repository->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int open_in(const struct repository *repository, const char *path, int flags)
{
	AUTO_CLOSE int root = repository_root(repository);

	return root < 0 ? -1 : path_open(root, path, flags, 0);
}

int repository_open_listing(const struct repository *repository, const struct digest *layer)
{
	AUTO_FREE char *path = layer_listing(layer);

	return open_in(repository, path, O_RDONLY);
}

bool repository_has_layer(const struct repository *repository, const struct digest *layer)
{
	AUTO_CLOSE int fd = repository_open_listing(repository, layer);

	return fd >= 0;
}

int repository_open_layerfs(const struct repository *repository, const struct digest *layer)
{
	AUTO_FREE char *path = layer_path(layer, "");

	return open_in(repository, path, O_RDONLY | O_DIRECTORY);
}

bool repository_has(const struct repository *repository, const char *path)
{
	AUTO_CLOSE int fd = open_in(repository, path, O_PATH);

	return fd >= 0;
}

bool repository_has_file(const struct repository *repository, const char *path, const void *data,
			 size_t len)
{
	AUTO_CLOSE int root = repository_root(repository);
	AUTO_FREE char *there = NULL;
	size_t there_len;

	return root >= 0 && !path_read(root, path, len, &there, &there_len, NULL) &&
	       there_len == len && !memcmp(there, data, len);
}

char *repository_read_link(const struct repository *repository, const char *path)
{
	AUTO_CLOSE int fd = open_in(repository, path, O_PATH);
	char target[PATH_MAX];
	ssize_t len = fd < 0 ? -1 : readlinkat(fd, "", target, sizeof(target));

	return len < 0 ? NULL : xstrndup(target, (size_t)len);
}

int repository_check_type(const struct repository *repository, const char *to, mode_t type,
			  ducc_error **err)
{
	AUTO_CLOSE int root = repository_root(repository);
	AUTO_FREE char *path = xstrdup(to);

	if (root < 0)
		return 0;
	for (char *p = path;; p++) {
		bool last = !*p;
		char at = *p;
		const char *name;
		struct stat st;

		if (!last && at != '/')
			continue;
		*p = '\0';
		AUTO_CLOSE int parent = path_open_parent(root, path, &name);
		if (parent < 0 || fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return errno == ENOENT ? 0 : error_errno(err, errno, "%s", path);
		if ((st.st_mode & S_IFMT) != (last ? type : S_IFDIR))
			return error_set(err, "%s: there is something else of that name", path);
		if (last)
			return 0;
		*p = at;
	}
}

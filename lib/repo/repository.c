/* A repository: see repository.h. */
#include "repo/repository.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/text.h"
#include "format/repo_paths.h"

void repository_close(struct repository *repository)
{
	free(repository->name);
	free(repository->path);
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

int repository_blame(const struct repository *repository, const struct digest *layer,
		     ducc_error **err)
{
	AUTO_FREE char *path = layer_listing(layer);

	if (err && ducc_error_kind(*err) == DUCC_CORRUPT)
		return error_wrap(err,
				  "repository %s: %s must be repaired (run ducc-check --repair)",
				  repository->name, path);
	return error_wrap(err, "repository %s: %s", repository->name, path);
}

/* 1 if the listing of a tree exists, and the tree, if it can be seen here. */
static int find_tree(const struct repository *repository, const char *listing, const char *root,
		     ducc_error **err)
{
	int found = repository_find(repository, listing);

	if (found > 0 && !repository->metadata_only)
		found = repository_find(repository, root);
	return found < 0 ? error_errno(err, errno, "repository %s: %s", repository->name, root)
			 : found;
}

int repository_find_layer(const struct repository *repository, const struct digest *layer,
			  ducc_error **err)
{
	AUTO_FREE char *listing = layer_listing(layer);
	AUTO_FREE char *root = repository_layer_root(repository, layer);

	if (!root)
		return error_errno(err, errno, "repository %s: %s", repository->name, listing);
	return find_tree(repository, listing, root, err);
}

bool repository_has_layer(const struct repository *repository, const struct digest *layer)
{
	return repository_find_layer(repository, layer, NULL) > 0;
}

int repository_find_flat(const struct repository *repository, const struct digest *config,
			 ducc_error **err)
{
	AUTO_FREE char *listing = flat_listing(config), *root = flat_directory(config);

	return find_tree(repository, listing, root, err);
}

char *repository_layer_root(const struct repository *repository, const struct digest *layer)
{
	AUTO_FREE char *path = layer_path(layer, "");
	AUTO_FREE char *target = repository_read_link(repository, path);

	if (!target && !is_wrong_type(errno) && !is_absence(errno))
		return NULL;
	return text_equal(target, LAYER_CONTENT) ? layer_content(layer) : STEAL(path);
}

int repository_open_layerfs(const struct repository *repository, const struct digest *layer)
{
	AUTO_FREE char *path = repository_layer_root(repository, layer);

	return path ? open_in(repository, path, O_RDONLY | O_DIRECTORY) : -1;
}

int repository_find(const struct repository *repository, const char *path)
{
	AUTO_CLOSE int root = repository_root(repository);

	return root >= 0 ? path_find(root, path) : repository->path ? -1 : 0;
}

bool repository_has(const struct repository *repository, const char *path)
{
	return repository_find(repository, path) > 0;
}

bool repository_lacks(const struct repository *repository, const char *path)
{
	return repository_find(repository, path) == 0;
}

int repository_read(const struct repository *repository, const char *path, size_t limit,
		    char **data, size_t *len, ducc_error **err)
{
	AUTO_CLOSE int root = repository_root(repository);
	int found = root >= 0 ? path_find(root, path) : repository->path ? -1 : 0;

	if (found < 0)
		return error_errno(err, errno, "%s", path);
	return !found ? 0 : path_read(root, path, limit, data, len, err) < 0 ? -1 : 1;
}

bool repository_has_file(const struct repository *repository, const char *path, const void *data,
			 size_t len)
{
	AUTO_CLOSE int root = repository_root(repository);
	AUTO_CLOSE int fd = root < 0 ? -1 : path_open_file(root, path);
	AUTO_FREE char *there = NULL;
	struct stat st;

	if (fd < 0 && (errno == EINVAL || errno == ELOOP || errno == ENXIO))
		errno = 0; /* not a regular file */
	if (fd < 0 || fstat(fd, &st) < 0)
		return false;
	errno = 0;
	if ((uint64_t)st.st_size != len)
		return false;
	there = xmalloc(len);
	return file_read_all(fd, there, len, 0) == (ssize_t)len && !memcmp(there, data, len);
}

int repository_stat(const struct repository *repository, const char *path, struct stat *st)
{
	AUTO_CLOSE int fd = open_in(repository, path, O_PATH);

	return fd < 0 ? -1 : fstat(fd, st);
}

bool repository_is_altered(const struct repository *repository, const char *path)
{
	struct stat st, layers;

	if (repository_stat(repository, path, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	return (st.st_mode & 07777) != REPO_FILE_MODE ||
	       (st.st_uid && !repository_stat(repository, REPO_LAYERS, &layers) &&
		st.st_uid != layers.st_uid);
}

char *repository_read_link(const struct repository *repository, const char *path)
{
	AUTO_CLOSE int fd = open_in(repository, path, O_PATH);
	char target[PATH_MAX];
	ssize_t len = fd < 0 ? -1 : readlinkat(fd, "", target, sizeof(target));

	if (fd >= 0 && len < 0 && errno == ENOENT)
		errno = EINVAL; /* not a link */
	return len < 0 ? NULL : xstrndup(target, (size_t)len);
}

/* A client may have expanded $(VARIABLE) to any text. */
bool link_matches(const char *there, const char *target)
{
	const char *variable = strstr(target, "$("), *end;
	size_t before, after, len = strlen(there);

	if (!variable)
		return !strcmp(there, target);
	end = strchr(variable, ')');
	end = end ? end + 1 : variable;
	before = (size_t)(variable - target);
	after = strlen(end);
	return len >= before + after && !strncmp(there, target, before) &&
	       !strcmp(there + len - after, end);
}

bool repository_has_link(const struct repository *repository, const char *path, const char *target)
{
	AUTO_FREE char *there = repository_read_link(repository, path);

	return there && link_matches(there, target);
}

static const char *type_name(mode_t type)
{
	return S_ISDIR(type) ? "directory" : S_ISLNK(type) ? "symbolic link" : "regular file";
}

int repository_find_obstacle(const struct repository *repository, const char *to, mode_t type,
			     char **obstacle, ducc_error **err)
{
	AUTO_CLOSE int root = repository_root(repository);
	AUTO_FREE char *path = xstrdup(to);

	*obstacle = NULL;
	for (char *p = path; root >= 0; p++) {
		bool last = !*p;
		char at = *p;
		const char *name;
		struct stat st;

		if (!last && at != '/')
			continue;
		*p = '\0';
		AUTO_CLOSE int parent = path_open_parent(root, path, &name);
		if (parent < 0 || fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return is_absence(errno) ? 0 : error_errno(err, errno, "%s", path);
		if ((st.st_mode & S_IFMT) != (last ? type : S_IFDIR)) {
			*obstacle = STEAL(path);
			return 1;
		}
		if (last)
			return 0;
		*p = at;
	}
	return 0;
}

int repository_check_type(const struct repository *repository, const char *path, mode_t type,
			  ducc_error **err)
{
	AUTO_FREE char *obstacle = NULL;
	int found = repository_find_obstacle(repository, path, type, &obstacle, err);

	if (found <= 0)
		return found;
	return error_set(err, "%s: exists and is not a %s (run ducc-check --repair, or remove it)",
			 obstacle, type_name(strcmp(obstacle, path) != 0 ? S_IFDIR : type));
}

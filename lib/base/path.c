/* Paths beneath a directory descriptor: see path.h. */
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/entries.h"
#include "base/mem.h"

bool path_is_clean(const char *path)
{
	for (;;) {
		size_t len = strcspn(path, "/");

		if (!len || len > NAME_MAX || (len == 1 && path[0] == '.') ||
		    (len == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		if (!path[len])
			return true;
		path += len + 1;
	}
}

static int open_beneath(int root, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (unsigned)flags | O_CLOEXEC | O_NOFOLLOW,
		.mode = flags & (O_CREAT | O_TMPFILE) ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};
	long fd;

	/* EAGAIN: something was renamed meanwhile, the kernel could not be sure. */
	do
		fd = syscall(SYS_openat2, root, path, &how, sizeof(how));
	while (fd < 0 && (errno == EAGAIN || errno == EINTR));
	return (int)fd;
}

int path_open(int root, const char *path, int flags, mode_t mode)
{
	size_t len = strlen(path);
	AUTO_CLOSE int here = -1;

	if (!len)
		return open_beneath(root, ".", flags, mode);
	/* The kernel takes at most PATH_MAX bytes at a time: go down in long steps. */
	while (len >= PATH_MAX) {
		AUTO_FREE char *step = NULL;
		size_t cut = PATH_MAX - 1;
		int next;

		while (cut && path[cut] != '/')
			cut--;
		if (!cut) {
			errno = ENAMETOOLONG;
			return -1;
		}
		step = xstrndup(path, cut);
		next = open_beneath(here < 0 ? root : here, step, O_PATH | O_DIRECTORY, 0);
		if (next < 0)
			return -1;
		cleanup_close(&here);
		here = next;
		path += cut + 1;
		len -= cut + 1;
	}
	return open_beneath(here < 0 ? root : here, path, flags, mode);
}

int path_open_file(int root, const char *path)
{
	AUTO_CLOSE int fd = path_open(root, path, O_RDONLY | O_NONBLOCK, 0);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if (!S_ISREG(st.st_mode)) {
		errno = EINVAL;
		return -1;
	}
	return steal_fd(&fd);
}

static char *split_parent(const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');

	*name = slash ? slash + 1 : path;
	return slash ? xstrndup(path, (size_t)(slash - path)) : xstrdup("");
}

int path_open_parent(int root, const char *path, const char **name)
{
	AUTO_FREE char *parent = split_parent(path, name);

	return path_open(root, parent, O_RDONLY | O_DIRECTORY, 0);
}

int beneath_parent(struct beneath *beneath, const char *path, const char **name)
{
	AUTO_FREE char *parent = split_parent(path, name);
	int fd;

	if (beneath->parent >= 0 && !strcmp(parent, beneath->parent_path))
		return beneath->parent;
	fd = path_open(beneath->root, parent, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return -1;
	beneath_close(beneath);
	beneath->parent = fd;
	beneath->parent_path = STEAL(parent);
	return fd;
}

void beneath_close(struct beneath *beneath)
{
	cleanup_close(&beneath->parent);
	free(beneath->parent_path);
	beneath->parent = -1;
	beneath->parent_path = NULL;
}

int path_mkdirs(int root, const char *path)
{
	AUTO_FREE char *copy = xstrdup(path);

	for (char *p = copy;; p++) {
		char at = *p;
		const char *name;
		int made, saved;

		if (at != '/' && at != '\0')
			continue;
		*p = '\0';
		AUTO_CLOSE int parent = path_open_parent(root, copy, &name);
		if (parent < 0)
			return -1;
		made = mkdirat(parent, name, 0755);
		saved = errno;
		if (made < 0 && saved != EEXIST) {
			errno = saved;
			return -1;
		}
		*p = at;
		if (!at)
			return 0;
	}
}

int path_mkdirs_named(const char *path, ducc_error **err)
{
	AUTO_FREE char *copy = xstrdup(path);
	size_t len = strlen(copy);

	while (len > 1 && copy[len - 1] == '/')
		copy[--len] = '\0';
	for (size_t i = 1; i <= len; i++) {
		char at = copy[i];
		struct stat st;

		if (at != '/' && at != '\0')
			continue;
		copy[i] = '\0';
		if (mkdir(copy, 0755) < 0 && (stat(copy, &st) < 0 || !S_ISDIR(st.st_mode)))
			return error_errno(err, errno == EEXIST ? ENOTDIR : errno, "%s", copy);
		copy[i] = at;
	}
	return 0;
}

/* A directory that is being emptied: its identity, and the subdirectories left in it. */
struct level {
	dev_t device;
	ino_t inode;
	char **directories; /* that are not empty */
	size_t n, capacity;
};

struct removal {
	int current; /* the directory of the last level */
	struct level *levels;
	size_t n, capacity;
};

/* Removes files and empty directories, and lists the other directories. */
static int remove_entries(const struct removal *removal, struct level *level)
{
	AUTO_ENTRIES entries = entries_open(removal->current, "");
	const char *name;

	while ((name = entries_next(&entries))) {
		if (!unlinkat(removal->current, name, 0) ||
		    !unlinkat(removal->current, name, AT_REMOVEDIR))
			continue;
		if (errno != ENOTEMPTY && errno != EEXIST)
			return -1;
		GROW(level->directories, level->n, level->capacity);
		level->directories[level->n++] = xstrdup(name);
	}
	errno = entries.error;
	return errno ? -1 : 0;
}

/* Descends into the directory `fd`, which it takes over, and removes its entries. */
static int go_down(struct removal *removal, int fd)
{
	struct stat st;

	cleanup_close(&removal->current);
	removal->current = fd;
	if (fstat(fd, &st) < 0)
		return -1;
	GROW(removal->levels, removal->n, removal->capacity);
	removal->levels[removal->n] = (struct level){.device = st.st_dev, .inode = st.st_ino};
	return remove_entries(removal, &removal->levels[removal->n++]);
}

/* Climbs out of an empty directory and removes it. */
static int go_up(struct removal *removal)
{
	struct level *level;
	struct stat st;
	int up = openat(removal->current, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (up < 0)
		return -1;
	close(removal->current);
	removal->current = up;
	free(removal->levels[--removal->n].directories);
	level = &removal->levels[removal->n - 1];
	if (fstat(up, &st) < 0)
		return -1;
	if (st.st_dev != level->device || st.st_ino != level->inode) { /* moved meanwhile */
		errno = ESTALE;
		return -1;
	}
	AUTO_FREE char *name = level->directories[--level->n];
	return unlinkat(up, name, AT_REMOVEDIR);
}

static int remove_levels(struct removal *removal, int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || go_down(removal, fd) < 0)
		return -1;
	for (;;) {
		const struct level *level = &removal->levels[removal->n - 1];
		const char *name;

		if (!level->n && removal->n == 1)
			return 0;
		if (!level->n) {
			if (go_up(removal) < 0)
				return -1;
			continue;
		}
		name = level->directories[level->n - 1];
		/* An unprivileged user may have a directory without write permission. */
		fchmodat(removal->current, name, 0700, 0);
		fd = openat(removal->current, name,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 || go_down(removal, fd) < 0)
			return -1;
	}
}

/*
 * Empties a directory of any depth, with one descriptor at a time.  Each directory is read
 * once: on many file systems, reading past removed entries takes time.
 */
static int remove_below(int dir)
{
	struct removal removal = {.current = -1};
	int result = remove_levels(&removal, dir), code = errno;

	cleanup_close(&removal.current);
	for (size_t i = 0; i < removal.n; i++) {
		struct level *level = &removal.levels[i];

		while (level->n)
			free(level->directories[--level->n]);
		free(level->directories);
	}
	free(removal.levels);
	errno = code;
	return result;
}

int path_remove(int root, const char *path)
{
	const char *name;
	AUTO_CLOSE int parent = path_open_parent(root, path, &name);

	if (parent < 0)
		return errno == ENOENT ? 0 : -1;
	if (!unlinkat(parent, name, 0) || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -1;
	if (unlinkat(parent, name, AT_REMOVEDIR) < 0) {
		fchmodat(parent, name, 0700, 0);
		AUTO_CLOSE int dir = path_open(parent, name, O_RDONLY | O_DIRECTORY, 0);

		if (dir < 0 || remove_below(dir) < 0)
			return -1;
		return unlinkat(parent, name, AT_REMOVEDIR);
	}
	return 0;
}

int path_prune(int root, const char *path)
{
	AUTO_FREE char *parent = xstrdup(path);
	const char *name;
	char *slash;

	while ((slash = strrchr(parent, '/'))) {
		*slash = '\0';
		AUTO_CLOSE int fd = path_open_parent(root, parent, &name);
		if (fd < 0 && errno != ENOENT)
			return -1;
		if (fd >= 0 && unlinkat(fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
			return errno == ENOTEMPTY || errno == EEXIST ? 0 : -1;
	}
	return 0;
}

bool path_exists(int root, const char *path)
{
	AUTO_CLOSE int fd = path_open(root, path, O_PATH, 0);

	return fd >= 0;
}

int path_read(int root, const char *path, size_t limit, char **data, size_t *len, ducc_error **err)
{
	AUTO_CLOSE int fd = path_open_file(root, path);

	if (fd < 0 && errno == EINVAL)
		return error_set(err, "%s: not a regular file", path);
	if (fd < 0)
		return error_errno(err, errno, "%s", path);
	if (read_file(fd, limit, data, len, err) < 0)
		return error_wrap(err, "%s", path);
	return 0;
}

bool path_is_empty(int directory)
{
	AUTO_ENTRIES entries = entries_open(directory, "");

	return !entries_next(&entries) && !entries.error;
}

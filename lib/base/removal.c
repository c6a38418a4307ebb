/* Removing files and directory trees: see removal.h. */
#include "base/removal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/entries.h"
#include "base/mem.h"
#include "base/path.h"

/* A directory that is being emptied: its identity, and the subdirectories left in it. */
struct level {
	dev_t device;
	ino_t inode;
	char **directories; /* the nonempty ones */
	size_t n, capacity;
};

struct removal {
	int current; /* the directory of the last level */
	struct level *levels;
	size_t n, capacity;
};

/* Others may remove the same: what is gone by now is removed. */
static int unless_gone(int result)
{
	return result < 0 && errno != ENOENT ? -1 : 0;
}

static int remove_directory(int parent, const char *name)
{
	return unless_gone(unlinkat(parent, name, AT_REMOVEDIR));
}

/* Removes a file or an empty directory. */
static int remove_entry(int parent, const char *name)
{
	int code;

	if (!unlinkat(parent, name, 0))
		return 0;
	code = errno;
	if (!remove_directory(parent, name))
		return 0;
	if (errno == ENOTDIR)
		errno = code; /* why the file could not be removed */
	return -1;
}

static bool is_nonempty(int error)
{
	return error == ENOTEMPTY || error == EEXIST;
}

/* Removes files and empty directories; records the other directories. */
static int remove_entries(const struct removal *removal, struct level *level)
{
	AUTO_ENTRIES entries = entries_open(removal->current, "");
	const char *name;

	while ((name = entries_next(&entries))) {
		if (!remove_entry(removal->current, name))
			continue;
		if (!is_nonempty(errno))
			return -1;
		GROW(level->directories, level->n, level->capacity);
		level->directories[level->n++] = xstrdup(name);
	}
	errno = entries.error;
	return unless_gone(errno ? -1 : 0);
}

/* Descends into the directory `fd`, taking ownership of it, and removes its entries. */
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

/* Ascends from an empty directory and removes it. */
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
	if (st.st_dev != level->device || st.st_ino != level->inode) { /* moved in the meantime */
		errno = ESTALE;
		return -1;
	}
	AUTO_FREE char *name = level->directories[--level->n];
	return remove_directory(up, name);
}

/*
 * To be emptied without privileges, a directory needs write permission; and while others may create
 * files in it, it may never be empty: try to change that.
 */
static int open_to_empty(int parent, const char *name)
{
	int tried = path_seclude(parent, name);

	(void)tried; /* permission may exist nevertheless */
	return path_open(parent, name, O_RDONLY | O_DIRECTORY, 0);
}

static int remove_levels(struct removal *removal, int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || go_down(removal, fd) < 0)
		return -1;
	for (;;) {
		struct level *level = &removal->levels[removal->n - 1];

		if (!level->n && removal->n == 1)
			return 0;
		if (!level->n) {
			if (go_up(removal) < 0)
				return -1;
			continue;
		}
		fd = open_to_empty(removal->current, level->directories[level->n - 1]);
		if (fd >= 0) {
			if (go_down(removal, fd) < 0)
				return -1;
			continue;
		}
		if (unless_gone(fd) < 0)
			return -1;
		free(level->directories[--level->n]);
	}
}

/*
 * Empties a directory of any depth, holding one descriptor at a time.  Each directory is read
 * only once: many file systems are slow at skipping removed entries.
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
		return unless_gone(parent);
	if (!remove_entry(parent, name))
		return 0;
	if (!is_nonempty(errno))
		return -1;
	AUTO_CLOSE int dir = open_to_empty(parent, name);
	if (dir < 0)
		return unless_gone(dir);
	return remove_below(dir) < 0 ? -1 : remove_directory(parent, name);
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
			return is_nonempty(errno) ? 0 : -1;
	}
	return 0;
}

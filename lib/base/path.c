/* Paths beneath a directory descriptor: see path.h. */
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/buffer.h"
#include "base/mem.h"

int path_available(ducc_error **err)
{
	/* A size of 0 is invalid, but only for a kernel that gets to look at it. */
	if (syscall(SYS_openat2, -1, NULL, NULL, 0) < 0 && errno != ENOSYS && errno != EPERM)
		return 0;
	return error_set_kind(err, DUCC_SYSTEM,
			      "system call openat2 is not available: it requires Linux 5.6 or "
			      "later, and a container whose system call filter allows it");
}

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

	/* EAGAIN: a concurrent rename prevented the kernel from verifying the path. */
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
	/* A system call accepts at most PATH_MAX bytes: descend in long steps. */
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
	fd = path_open(beneath->root, parent, O_PATH | O_DIRECTORY, 0);
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

int path_mkdirs_named(const char *path, mode_t mode, ducc_error **err)
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
		if (mkdir(copy, at ? 0755 : mode) < 0) {
			int code = errno;

			if (stat(copy, &st) < 0)
				return error_errno(err, code == EEXIST ? errno : code, "%s", copy);
			if (!S_ISDIR(st.st_mode))
				return error_set_kind(err, DUCC_SYSTEM, "%s: not a directory",
						      copy);
		}
		copy[i] = at;
	}
	return 0;
}

/*
 * fchmod(2) refuses a descriptor that is open for lookups only, which needs no permission.  EPERM may
 * come from a filter that does not know fchmodat2(2).
 */
static int chmod_lookup(int fd, mode_t mode)
{
	AUTO_FREE char *proc_path = NULL;
	int code;

	if (!syscall(CALL_FCHMODAT2, fd, "", mode, AT_EMPTY_PATH))
		return 0;
	code = errno;
	if (code != ENOSYS && code != EPERM)
		return -1;
	proc_path = format("/proc/self/fd/%d", fd);
	if (!chmod(proc_path, mode))
		return 0;
	if (is_absence(errno)) /* of /proc */
		errno = code;
	return -1;
}

int path_chmod(int root, const char *path, mode_t mode)
{
	AUTO_CLOSE int fd = path_open(root, path, O_PATH, 0);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if (S_ISLNK(st.st_mode)) {
		errno = ELOOP;
		return -1;
	}
	return chmod_lookup(fd, mode);
}

int path_mkdir(int parent, const char *name)
{
	if (mkdirat(parent, name, 0755) < 0)
		return errno == EEXIST ? 0 : -1;
	return path_chmod(parent, name, 0755);
}

/* Gives the owner of the directory all permissions, in addition to those of the mask `kept`. */
static int permit(int root, const char *path, mode_t kept)
{
	AUTO_CLOSE int fd = path_open(root, path, O_PATH | O_DIRECTORY, 0);
	struct stat st;
	mode_t mode;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	mode = (st.st_mode & kept) | S_IRWXU;
	return mode == (st.st_mode & 07777) ? 0 : chmod_lookup(fd, mode);
}

int path_permit(int root, const char *path)
{
	return permit(root, path, 07777);
}

int path_seclude(int root, const char *path)
{
	return permit(root, path, 0);
}

bool is_absence(int error)
{
	return error == ENOENT || error == ENOTDIR;
}

bool is_wrong_type(int error)
{
	return error == EINVAL || error == ELOOP || error == ENXIO;
}

int path_find(int root, const char *path)
{
	AUTO_CLOSE int fd = path_open(root, path, O_PATH, 0);

	return fd >= 0 ? 1 : is_absence(errno) ? 0 : -1;
}

bool path_exists(int root, const char *path)
{
	return path_find(root, path) > 0;
}

bool path_is_absent(int root, const char *path)
{
	return path_find(root, path) == 0;
}

int path_read(int root, const char *path, size_t limit, char **data, size_t *len, ducc_error **err)
{
	AUTO_CLOSE int fd = path_open_file(root, path);

	if (fd < 0 && is_wrong_type(errno))
		return error_set(err, "%s: not a regular file", path);
	if (fd < 0)
		return error_errno(err, errno, "%s", path);
	if (read_file(fd, limit, data, len, err) < 0)
		return error_wrap(err, "%s", path);
	return 0;
}

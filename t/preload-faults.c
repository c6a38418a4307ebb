/* Preloaded into a tool, makes a system call fail: see inject.h. */
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

/* clang-format off */
#define KINDS(each) \
	each(open) each(read) each(write) each(fsync) each(truncate) each(seek) each(close) \
	each(stat) each(rename) each(link) each(symlink) each(mkdir) each(mknod) each(unlink) \
	each(readlink) each(directory) each(lock) each(attributes) each(copy) each(thread) \
	each(pipe) each(spawn) each(wait) each(poll) each(socket) each(random) each(locale) \
	each(confine)
/* clang-format on */
#include "inject.h"

#define CALL_FCHMODAT2 452 /* newer than the headers */

#define NEXT(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

/* A function that returns FAILED, and sets errno. */
#define WRAP_AS(failed, kind, type, name, parameters, ...)                                         \
	type name parameters                                                                       \
	{                                                                                          \
		int code = inject(KIND_##kind);                                                    \
                                                                                                   \
		if (!code)                                                                         \
			return NEXT(name)(__VA_ARGS__);                                            \
		errno = code;                                                                      \
		return failed;                                                                     \
	}
#define WRAP(...) WRAP_AS(-1, __VA_ARGS__)

/* One that returns an errno value. */
#define WRAP_CODE(kind, type, name, parameters, ...)                                               \
	type name parameters                                                                       \
	{                                                                                          \
		int code = inject(KIND_##kind);                                                    \
                                                                                                   \
		return code ? code : NEXT(name)(__VA_ARGS__);                                      \
	}

/* One that transfers `len' bytes. */
#define WRAP_SHORT(kind, name, parameters, ...)                                                    \
	ssize_t name parameters                                                                    \
	{                                                                                          \
		int code = inject(KIND_##kind);                                                    \
                                                                                                   \
		if (code == SHORT)                                                                 \
			len = len ? 1 : 0;                                                         \
		if (code <= 0)                                                                     \
			return NEXT(name)(__VA_ARGS__);                                            \
		errno = code;                                                                      \
		return -1;                                                                         \
	}

int open(const char *path, int flags, ...)
{
	int code = inject(KIND_open);
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
	va_end(args);
	if (!code)
		return NEXT(open)(path, flags, mode);
	errno = code;
	return -1;
}

int openat(int dir, const char *path, int flags, ...)
{
	int code = inject(KIND_open);
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
	va_end(args);
	if (!code)
		return NEXT(openat)(dir, path, flags, mode);
	errno = code;
	return -1;
}

/* These have no wrapper. */
static int inject_number(long number)
{
	switch (number) {
	case SYS_openat2:
		return inject(KIND_open);
	case CALL_FCHMODAT2:
		return inject(KIND_attributes);
	case SYS_pidfd_open:
		return inject(KIND_spawn);
	case SYS_landlock_create_ruleset:
	case SYS_landlock_add_rule:
	case SYS_landlock_restrict_self:
	case SYS_seccomp:
		return inject(KIND_confine);
	default:
		return 0;
	}
}

long syscall(long number, ...)
{
	int code = inject_number(number);
	va_list args;
	long a[6];

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (!code)
		return NEXT(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	errno = code;
	return -1;
}

/* The descriptor is closed nevertheless. */
int close(int fd)
{
	int code = inject(KIND_close), result = NEXT(close)(fd);

	if (!code)
		return result;
	errno = code;
	return -1;
}

WRAP_SHORT(read, read, (int fd, void *data, size_t len), fd, data, len)
WRAP_SHORT(read, pread, (int fd, void *data, size_t len, off_t at), fd, data, len, at)
WRAP_SHORT(write, write, (int fd, const void *data, size_t len), fd, data, len)
WRAP_SHORT(socket, send, (int fd, const void *data, size_t len, int flags), fd, data, len, flags)
WRAP_SHORT(socket, recv, (int fd, void *data, size_t len, int flags), fd, data, len, flags)
WRAP_SHORT(copy, copy_file_range,
	   (int in, off_t *in_at, int out, off_t *out_at, size_t len, unsigned flags), in, in_at,
	   out, out_at, len, flags)
/* A disk is slow, and nobody pulls the plug. */
static int sync_nothing(void)
{
	errno = inject(KIND_fsync);
	return errno ? -1 : 0;
}

int fsync(int fd)
{
	(void)fd;
	return sync_nothing();
}

int syncfs(int fd)
{
	(void)fd;
	return sync_nothing();
}

WRAP(truncate, int, ftruncate, (int fd, off_t len), fd, len)
WRAP(seek, off_t, lseek, (int fd, off_t at, int whence), fd, at, whence)
WRAP(stat, int, fstat, (int fd, struct stat *st), fd, st)
WRAP(stat, int, stat, (const char *path, struct stat *st), path, st)
WRAP(stat, int, lstat, (const char *path, struct stat *st), path, st)
WRAP(stat, int, fstatat, (int dir, const char *path, struct stat *st, int flags), dir, path, st,
     flags)
WRAP(stat, int, statx, (int dir, const char *path, int flags, unsigned mask, struct statx *st), dir,
     path, flags, mask, st)
WRAP(stat, int, statvfs, (const char *path, struct statvfs *st), path, st)
WRAP(stat, int, access, (const char *path, int mode), path, mode)
WRAP(stat, int, faccessat, (int dir, const char *path, int mode, int flags), dir, path, mode, flags)
WRAP(rename, int, renameat, (int from, const char *a, int to, const char *b), from, a, to, b)

/* With $NO_EXCHANGE, the file system is one that cannot do more than rename. */
int renameat2(int from, const char *a, int to, const char *b, unsigned flags)
{
	int code = inject(KIND_rename);

	if (!code && flags && getenv("NO_EXCHANGE"))
		code = EINVAL;
	if (!code)
		return NEXT(renameat2)(from, a, to, b, flags);
	errno = code;
	return -1;
}

WRAP(link, int, linkat, (int from, const char *a, int to, const char *b, int flags), from, a, to, b,
     flags)
WRAP(symlink, int, symlinkat, (const char *target, int dir, const char *path), target, dir, path)
WRAP(mkdir, int, mkdir, (const char *path, mode_t mode), path, mode)
WRAP(mkdir, int, mkdirat, (int dir, const char *path, mode_t mode), dir, path, mode)
WRAP(mknod, int, mknodat, (int dir, const char *path, mode_t mode, dev_t dev), dir, path, mode, dev)
WRAP(mknod, int, mkfifoat, (int dir, const char *path, mode_t mode), dir, path, mode)
WRAP(unlink, int, unlink, (const char *path), path)
WRAP(unlink, int, unlinkat, (int dir, const char *path, int flags), dir, path, flags)
WRAP(readlink, ssize_t, readlinkat, (int dir, const char *path, char *text, size_t len), dir, path,
     text, len)
WRAP_AS(NULL, readlink, char *, realpath, (const char *path, char *text), path, text)
WRAP_AS(NULL, directory, DIR *, fdopendir, (int fd), fd)

struct dirent *readdir(DIR *stream)
{
	struct dirent *(*next)(DIR * stream) = NEXT(readdir);
	int code = inject(KIND_directory);

	if (!code)
		return next(stream);
	errno = code;
	return NULL;
}

WRAP(directory, int, scandir,
     (const char *path, struct dirent ***list, int (*filter)(const struct dirent *),
      int (*compare)(const struct dirent **, const struct dirent **)),
     path, list, filter, compare)
WRAP(lock, int, flock, (int fd, int how), fd, how)
WRAP(attributes, int, chmod, (const char *path, mode_t mode), path, mode)
WRAP(attributes, int, fchmod, (int fd, mode_t mode), fd, mode)
WRAP(attributes, int, fchmodat, (int dir, const char *path, mode_t mode, int flags), dir, path,
     mode, flags)
WRAP(attributes, int, fchown, (int fd, uid_t uid, gid_t gid), fd, uid, gid)
WRAP(attributes, int, fchownat, (int dir, const char *path, uid_t uid, gid_t gid, int flags), dir,
     path, uid, gid, flags)
WRAP(attributes, int, futimens, (int fd, const struct timespec times[2]), fd, times)
WRAP(attributes, int, utimensat,
     (int dir, const char *path, const struct timespec times[2], int flags), dir, path, times,
     flags)
WRAP(attributes, int, fsetxattr,
     (int fd, const char *name, const void *value, size_t len, int flags), fd, name, value, len,
     flags)
WRAP(attributes, int, lsetxattr,
     (const char *path, const char *name, const void *value, size_t len, int flags), path, name,
     value, len, flags)
WRAP(attributes, ssize_t, fgetxattr, (int fd, const char *name, void *value, size_t len), fd, name,
     value, len)
WRAP(attributes, ssize_t, lgetxattr, (const char *path, const char *name, void *value, size_t len),
     path, name, value, len)
WRAP(attributes, ssize_t, getxattr, (const char *path, const char *name, void *value, size_t len),
     path, name, value, len)
WRAP(attributes, ssize_t, llistxattr, (const char *path, char *list, size_t len), path, list, len)
WRAP_CODE(thread, int, pthread_create,
	  (pthread_t * id, const pthread_attr_t *attributes, void *(*function)(void *), void *data),
	  id, attributes, function, data)
WRAP(pipe, int, pipe2, (int fds[2], int flags), fds, flags)
WRAP(pipe, int, memfd_create, (const char *name, unsigned flags), name, flags)
WRAP(pipe, int, socketpair, (int domain, int type, int protocol, int fds[2]), domain, type,
     protocol, fds)
WRAP(pipe, int, dup, (int from), from)
WRAP(pipe, int, dup2, (int from, int to), from, to)
WRAP(pipe, int, dup3, (int from, int to, int flags), from, to, flags)
WRAP_CODE(spawn, int, posix_spawnp,
	  (pid_t * pid, const char *file, const posix_spawn_file_actions_t *actions,
	   const posix_spawnattr_t *attributes, char *const *argv, char *const *environment),
	  pid, file, actions, attributes, argv, environment)
WRAP(spawn, pid_t, fork, (void), )
WRAP(wait, pid_t, waitpid, (pid_t pid, int *status, int flags), pid, status, flags)
WRAP(poll, int, poll, (struct pollfd * fds, nfds_t n, int timeout), fds, n, timeout)
WRAP(socket, int, socket, (int domain, int type, int protocol), domain, type, protocol)
WRAP(socket, int, connect, (int fd, const struct sockaddr *address, socklen_t len), fd, address,
     len)
WRAP(random, ssize_t, getrandom, (void *data, size_t len, unsigned flags), data, len, flags)
WRAP_AS(NULL, locale, locale_t, newlocale, (int mask, const char *name, locale_t base), mask, name,
	base)

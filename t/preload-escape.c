/*
 * Preloaded into a tool, tries in each of its threads what a confined tool must not be able to
 * do: at once with $ESCAPE_NOW, else as soon as the thread is confined.  $ESCAPE is a directory
 * outside the store, with a file `victim' and an empty directory `empty'; $ESCAPE_STORE is the
 * store.  Prints a line for each attempt, `escape: NAME: done' or `escape: NAME: ERROR'.
 *
 * Threads do this when they start, and the first one when it calls fstat(2).
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

static char *outside(const char *name)
{
	static _Thread_local char path[4096];

	snprintf(path, sizeof(path), "%s/%s", getenv("ESCAPE"), name);
	return path;
}

static char *inside(const char *name)
{
	static _Thread_local char path[4096];

	snprintf(path, sizeof(path), "%s/%s", getenv("ESCAPE_STORE"), name);
	return path;
}

static void tell(const char *name, long result)
{
	int code = errno;
	char line[256];
	int n = snprintf(line, sizeof(line), "escape: %s: %s\n", name,
			 result < 0 ? strerrorname_np(code) : "done");

	if (write(STDERR_FILENO, line, (size_t)n) < n)
		abort();
}

static void try_files(void)
{
	tell("write", open(outside("victim"), O_WRONLY | O_CLOEXEC));
	tell("append", open(outside("victim"), O_RDWR | O_APPEND | O_CLOEXEC));
	tell("truncate", truncate(outside("victim"), 0));
	tell("create", open(outside("new"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	tell("unnamed", open(outside("."), O_RDWR | O_TMPFILE | O_CLOEXEC, 0600));
	tell("mkdir", mkdir(outside("directory"), 0700));
	tell("symlink", symlink("x", outside("link")));
	tell("socket file", mknod(outside("socket"), S_IFSOCK | 0600, 0));
	tell("rename in", rename(outside("victim"), inside("victim")));
	tell("rename out", rename(inside("oci-layout"), outside("layout")));
	tell("link out", link(inside("oci-layout"), outside("linked")));
	tell("unlink", unlink(outside("victim")));
	tell("rmdir", rmdir(outside("empty")));
	tell("mount", getenv("ESCAPE_NOW") ? 0 : mount("none", outside("."), "tmpfs", 0, NULL));
}

/* Not with -x, which needs it. */
static void try_attributes(void)
{
	tell("chmod", chmod(outside("victim"), 04777));
	tell("chown", chown(outside("victim"), 1, 1));
	tell("touch", utimensat(AT_FDCWD, outside("victim"), NULL, 0));
	tell("xattr", setxattr(outside("victim"), "user.x", "x", 1, 0));
	tell("device", mknod(inside("device"), S_IFBLK | 0666, makedev(7, 0)));
	tell("symlink in the store", symlink("x", inside("link")));
}

static void try_programs(void)
{
	char *const argv[] = {(char[]){"echo"}, (char[]){"escape: exec: done"}, NULL};
	int file = open("/bin/true", O_RDONLY | O_CLOEXEC), memory = memfd_create("x", MFD_CLOEXEC);

	tell("exec", getenv("ESCAPE_NOW") ? 0 : execv("/bin/echo", argv));
	tell("fexecve", getenv("ESCAPE_NOW") ? 0 : fexecve(file, argv, environ));
	tell("exec of memory", getenv("ESCAPE_NOW") ? 0 : fexecve(memory, argv, environ));
	tell("kill", kill(getppid(), 0));
	tell("ptrace", ptrace(PTRACE_SEIZE, getppid(), NULL, NULL));
	tell("namespace", unshare(CLONE_NEWUSER));
	tell("io_uring", syscall(SYS_io_uring_setup, 1, NULL));
	tell("typing", ioctl(STDIN_FILENO, TIOCSTI, "x"));
}

static void try_sockets(void)
{
	if (!getenv("ESCAPE_INTERNET")) {
		tell("TCP", socket(AF_INET, SOCK_STREAM, 0));
		tell("UDP", socket(AF_INET6, SOCK_DGRAM, 0));
		tell("netlink", socket(AF_NETLINK, SOCK_RAW, 0));
	}
	tell("unix", socket(AF_UNIX, SOCK_STREAM, 0));
	tell("packet", socket(AF_PACKET, SOCK_RAW, 0));
}

static void try_all(void)
{
	static _Thread_local int tried;

	if (tried || strncmp(program_invocation_short_name, "ducc-", 5) != 0 ||
	    !(getenv("ESCAPE_NOW") || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1))
		return;
	tried = 1;
	try_files();
	if (!getenv("ESCAPE_ATTRIBUTES"))
		try_attributes();
	try_programs();
	try_sockets();
}

int fstat(int fd, struct stat *st)
{
	int (*original)(int, struct stat *) =
		(int (*)(int, struct stat *))dlsym(RTLD_NEXT, "fstat");

	try_all();
	return original(fd, st);
}

struct thread {
	void *(*function)(void *);
	void *data;
};

static void *run(void *data)
{
	struct thread thread = *(struct thread *)data;

	free(data);
	try_all();
	return thread.function(thread.data);
}

int pthread_create(pthread_t *id, const pthread_attr_t *attributes, void *(*function)(void *),
		   void *data)
{
	int (*original)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) =
		(int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))dlsym(
			RTLD_NEXT, "pthread_create");
	struct thread *thread = malloc(sizeof(*thread));

	if (!thread)
		abort();
	*thread = (struct thread){function, data};
	return original(id, attributes, run, thread);
}

/* The payload of a publish on a file system without unnamed files: nobody else's file is written. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/path.h"
#include "base/removal.h"
#include "cvmfs/payload.h"
#include "tap.h"

static char root_path[] = "/tmp/ducc-payload.XXXXXX";

/* Instead of libc's: openat2(2), without O_TMPFILE. */
long syscall(long number, ...)
{
	va_list args;
	const char *path;
	struct open_how *how;
	int directory;

	va_start(args, number);
	directory = va_arg(args, int);
	path = va_arg(args, const char *);
	how = va_arg(args, struct open_how *);
	va_end(args);
	errno = EOPNOTSUPP;
	if (number != SYS_openat2 || (how->flags & O_TMPFILE) == O_TMPFILE)
		return -1;
	return openat(directory, path, (int)how->flags, (mode_t)how->mode);
}

int main(void)
{
	struct store store = {.path = root_path};
	struct payload payload;
	AUTO_FREE char *name = format("tmp/payload-%ld", (long)getpid());
	AUTO_FREE char *content = NULL;
	size_t len;
	int other;

	if (!mkdtemp(root_path))
		return 1;
	store.fd = open(root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mkdirat(store.fd, "tmp", 0755);
	other = openat(store.fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ok(!write_all(other, "other", 5), "a process in another container, with the same PID");
	ok(!payload_open(&payload, NULL, &store, NULL, NULL), "a payload is opened");
	ok(!write_all(payload.fd, "1", 1), "... and written");
	payload_close(&payload);
	ok(!lseek(other, 0, SEEK_SET) && !read_file(other, 100, &content, &len, NULL),
	   "what the other wrote");
	is_string(content, "other", "... is as it was");
	ok(!path_exists(store.fd, name), "nothing remains");
	close(other);
	close(store.fd);
	path_remove(AT_FDCWD, root_path);
	return done_testing();
}

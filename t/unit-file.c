/* Copying files, also between file systems among which the kernel does not copy by itself. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/file.h"
#include "tap.h"

#define SIZE 3000000

static char content[SIZE];

static int source(void)
{
	int fd = memfd_create("source", MFD_CLOEXEC);

	if (fd < 0 || write_all(fd, content, SIZE) < 0 || lseek(fd, 1000, SEEK_SET) < 0)
		abort();
	return fd;
}

/* The copy, of which `len` bytes must be those of the source from byte 1000 on. */
static bool is_copy(int fd, size_t len)
{
	char *data = NULL;
	size_t have = 0;
	bool same;

	if (lseek(fd, 0, SEEK_SET) < 0 || read_file(fd, SIZE, &data, &have, NULL) < 0)
		return false;
	same = have == len && !memcmp(data, content + 1000, len);
	free(data);
	return same;
}

static void try_copy(const char *what, int to, uint64_t size, size_t want)
{
	int from = source();

	ok(!file_copy(from, to, size), "%s", what);
	ok(is_copy(to, want), "... the same bytes");
	close(from);
	close(to);
}

static int temporary(const char *directory)
{
	return open(directory, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
}

int main(void)
{
	const char *directory = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
	int from, to;

	for (size_t i = 0; i < SIZE; i++)
		content[i] = (char)(i * 7919 >> 3);
	try_copy("a part, to another file system", temporary(directory), 2000000, 2000000);
	try_copy("all of it", temporary(directory), TO_THE_END, SIZE - 1000);
	try_copy("a part, within one file system", memfd_create("to", MFD_CLOEXEC), 2000000,
		 2000000);
	try_copy("all of it", memfd_create("to", MFD_CLOEXEC), TO_THE_END, SIZE - 1000);
	from = source();
	to = temporary(directory);
	ok(file_copy(from, to, SIZE) < 0 && errno == EIO, "a file that is too short is an error");
	close(from);
	close(to);
	return done_testing();
}

/* Access to an archive as a seekable, uncompressed tar: see archive_copy.h. */
#include "source/archive_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "base/path.h"
#include "base/place.h"
#include "content/compression.h"

/* Images typically compress to a third; layer limits scale with the archive's contents. */
#define RATIO_LIMIT 20
#define PIECE ((size_t)256 << 10)
#define SIZE_LIMIT ((uint64_t)16 << 20) /* allowed at any ratio */

static int check_size(const struct inflation *file, uint64_t size, ducc_error **err)
{
	uint64_t limit = inflation_consumed(file) * RATIO_LIMIT;

	if (limit < SIZE_LIMIT)
		limit = SIZE_LIMIT;
	if (size <= limit || file->compression == COMPRESSION_NONE)
		return 0;
	return error_set(err, "decompresses to more than %" PRIu64 " bytes; decompress it first",
			 limit);
}

static int write_copy(struct inflation *file, int copy, const char *name, const char *directory,
		      ducc_error **err)
{
	AUTO_FREE char *piece = xmalloc(PIECE);
	uint64_t size = 0;
	ssize_t n;

	while ((n = inflation_read(file, piece, PIECE, err)) > 0) {
		size += (uint64_t)n;
		if (check_size(file, size, err) < 0)
			return error_wrap(err, "%s", name);
		if (write_all(copy, piece, (size_t)n) < 0)
			return error_errno(err, errno, "%s", directory);
	}
	return n < 0 ? error_wrap(err, "%s", name) : 0;
}

const char *archive_copy_directory(void)
{
	const char *directory = getenv("TMPDIR");

	return directory && *directory ? directory : "/var/tmp";
}

static int make_copy(struct inflation *file, const char *name, ducc_error **err)
{
	const char *directory = archive_copy_directory();
	AUTO_CLOSE int copy = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (copy < 0)
		error_errno(err, errno, "%s", directory);
	else if (!write_copy(file, copy, name, directory, err))
		return steal_fd(&copy);
	place_advise(err, "temporary files", directory,
		     "set TMPDIR to a directory with more space");
	return -1;
}

int archive_copy_file(const char *path, ducc_error **err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	AUTO_INFLATION file = {.archive = NULL};
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0)
		return error_errno(err, errno, "%s", path);
	if (inflation_open(&file, fd, S_ISREG(status.st_mode) ? 0 : -1, err) < 0)
		return error_wrap(err, "%s", path);
	if (S_ISREG(status.st_mode) && file.compression == COMPRESSION_NONE)
		return steal_fd(&fd);
	return make_copy(&file, path, err);
}

int archive_copy_input(ducc_error **err)
{
	AUTO_INFLATION file = {.archive = NULL};

	if (inflation_open(&file, STDIN_FILENO, -1, err) < 0)
		return error_wrap(err, STANDARD_INPUT);
	return make_copy(&file, STANDARD_INPUT, err);
}

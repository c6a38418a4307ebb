/* Reading, copying, writing and replacing files: see file.h. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define WRITEBACK ((uint64_t)8 << 20) /* bytes */

ssize_t file_read(int fd, void *data, size_t len, int64_t offset)
{
	ssize_t n;

	do
		n = offset < 0 ? read(fd, data, len) : pread(fd, data, len, (off_t)offset);
	while (n < 0 && errno == EINTR);
	return n;
}

ssize_t file_read_all(int fd, void *data, size_t len, uint64_t offset)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n =
			file_read(fd, (char *)data + done, len - done, (int64_t)(offset + done));

		if (n < 0)
			return -1;
		if (!n)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

struct pieces pieces_of(int fd, uint64_t offset, uint64_t size)
{
	return (struct pieces){.data = xmalloc(size < PIECE_SIZE ? (size_t)size : PIECE_SIZE),
			       .most = PIECE_SIZE,
			       .fd = fd,
			       .offset = offset,
			       .left = size};
}

bool pieces_next(struct pieces *pieces)
{
	size_t want = pieces->left < pieces->most ? (size_t)pieces->left : pieces->most;
	ssize_t n = file_read(pieces->fd, pieces->data, want, (int64_t)pieces->offset);

	if (n < 0)
		pieces->error = errno;
	else if (!n && want && pieces->left != TO_THE_END)
		pieces->error = EIO;
	if (n <= 0)
		return false;
	pieces->len = (size_t)n;
	pieces->offset += (uint64_t)n;
	pieces->left -= pieces->left == TO_THE_END ? 0 : (uint64_t)n;
	return true;
}

void pieces_free(struct pieces *pieces)
{
	free(pieces->data);
}

/* Through memory, for file systems between which the kernel does not copy. */
static int copy_pieces(int from, int to, uint64_t size)
{
	off_t offset = lseek(from, 0, SEEK_CUR);
	AUTO_PIECES pieces = pieces_of(from, (uint64_t)offset, size);

	if (offset < 0)
		return -1;
	while (pieces.left && pieces_next(&pieces))
		if (write_all(to, pieces.data, pieces.len) < 0)
			return -1;
	errno = pieces.error;
	return errno ? -1 : lseek(from, (off_t)pieces.offset, SEEK_SET) < 0 ? -1 : 0;
}

int file_copy(int from, int to, uint64_t size)
{
	while (size) {
		size_t want = size < (uint64_t)1 << 30 ? (size_t)size : (size_t)1 << 30;
		ssize_t n = copy_file_range(from, NULL, to, NULL, want, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS ||
			      errno == EOPNOTSUPP || errno == EPERM))
			return copy_pieces(from, to, size);
		if (!n && size == TO_THE_END)
			return 0;
		if (!n)
			errno = EIO;
		if (n <= 0)
			return -1;
		size -= size == TO_THE_END ? 0 : (uint64_t)n;
	}
	return 0;
}

int read_file(int fd, size_t limit, char **data, size_t *len, ducc_error **err)
{
	AUTO_FREE char *text = NULL;
	size_t have = 0;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "stat");
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > limit)
		return error_set(err, "not a regular file, or larger than %zu bytes", limit);
	text = xmalloc((size_t)st.st_size + 1);
	while (have < (size_t)st.st_size) {
		ssize_t n = file_read(fd, text + have, (size_t)st.st_size - have, -1);

		if (n < 0)
			return error_errno(err, errno, "read");
		if (!n)
			break;
		have += (size_t)n;
	}
	text[have] = '\0';
	*len = have;
	*data = STEAL(text);
	return 0;
}

int read_stream(int fd, size_t limit, struct buffer *data, ducc_error **err)
{
	char piece[16384];

	for (;;) {
		ssize_t n = file_read(fd, piece, sizeof(piece), -1);

		if (n < 0)
			return error_errno(err, errno, "read");
		if (!n)
			return 0;
		if ((size_t)n > limit - data->len)
			return error_set(err, "more than %zu bytes", limit);
		buffer_add(data, piece, (size_t)n);
	}
}

int write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int file_sink(void *ctx, const void *data, size_t len, ducc_error **err)
{
	return write_all(*(int *)ctx, data, len) < 0 ? error_errno(err, errno, "write") : 0;
}

void write_behind(int fd, uint64_t before, uint64_t after)
{
	uint64_t from = before / WRITEBACK, to = after / WRITEBACK;

	if (from != to)
		sync_file_range(fd, (off_t)(from * WRITEBACK), (off_t)((to - from) * WRITEBACK),
				SYNC_FILE_RANGE_WRITE);
}

int file_replace(int directory, const char *name, const void *data, size_t len)
{
	AUTO_FREE char *draft = format("%s.new", name);
	AUTO_CLOSE int fd = openat(directory, draft,
				   O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	int code;

	if (fd < 0)
		return -1;
	if (!write_all(fd, data, len) && !fsync(fd) && !renameat(directory, draft, directory, name))
		return 0;
	code = errno;
	unlinkat(directory, draft, 0); /* a full disk has no space for it */
	errno = code;
	return -1;
}

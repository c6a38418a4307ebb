/* A file that libarchive reads: see archivefile.h. */
#include "archivefile.h"

#include <errno.h>

#define READ_SIZE ((size_t)256 << 10)

void archive_file_init(struct archive_file *file, int fd, int64_t offset)
{
	*file = (struct archive_file){.archive = xalloc(archive_read_new()),
				      .fd = fd,
				      .offset = offset,
				      .buffer = xmalloc(READ_SIZE)};
}

static ssize_t read_piece(const struct archive_file *file)
{
	ssize_t n;

	do
		n = file->offset < 0
			    ? read(file->fd, file->buffer, READ_SIZE)
			    : pread(file->fd, file->buffer, READ_SIZE, (off_t)file->offset);
	while (n < 0 && errno == EINTR);
	return n;
}

static la_ssize_t on_read(struct archive *archive, void *ctx, const void **data)
{
	struct archive_file *file = ctx;
	ssize_t n = read_piece(file);

	(void)archive;
	if (n < 0)
		return error_set(&file->error, "%s", strerror(errno));
	if (tarheader_take(&file->header, (size_t)n, &file->error) < 0)
		return -1;
	if (file->offset >= 0)
		file->offset += n;
	*data = file->buffer;
	return n;
}

int archive_file_open(struct archive_file *file)
{
	return archive_read_open(file->archive, file, NULL, on_read, NULL);
}

int archive_file_fail(const struct archive_file *file, ducc_error **err)
{
	const char *text = archive_error_string(file->archive);

	if (file->error)
		return error_set(err, "%s", ducc_error_message(file->error));
	return error_set(err, "%s", text ? text : "not an archive");
}

void archive_file_close(struct archive_file *file)
{
	archive_read_free(file->archive);
	free(file->buffer);
	ducc_error_free(file->error);
}

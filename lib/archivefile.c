/* A file that libarchive reads: see archivefile.h. */
#include "archivefile.h"

#include <errno.h>

#include "compression.h"

void archive_file_init(struct archive_file *file, int fd, int64_t offset)
{
	*file = (struct archive_file){.archive = xalloc(archive_read_new()),
				      .fd = fd,
				      .offset = offset,
				      .buffer = xmalloc(TARHEADER_PIECE)};
}

/* Reads more behind what is there.  Returns as read(2) does. */
static ssize_t read_ahead(struct archive_file *file)
{
	char *end = file->buffer + file->ahead;
	size_t room = TARHEADER_PIECE - file->ahead;
	ssize_t n;

	do
		n = file->offset < 0 ? read(file->fd, end, room)
				     : pread(file->fd, end, room, (off_t)file->offset);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		file->ahead += (size_t)n;
		file->offset += file->offset < 0 ? 0 : n;
	}
	return n;
}

static la_ssize_t on_read(struct archive *archive, void *ctx, const void **data)
{
	struct archive_file *file = ctx;
	size_t len;

	(void)archive;
	if (!file->ahead && read_ahead(file) < 0)
		return error_set(&file->error, "%s", strerror(errno));
	len = file->ahead;
	file->ahead = 0;
	if (tarheader_take(&file->header, len, &file->error) < 0)
		return -1;
	*data = file->buffer;
	return (la_ssize_t)len;
}

int archive_file_detect(struct archive_file *file, int *filter, ducc_error **err)
{
	ssize_t n = 1;

	while (file->ahead < COMPRESSION_MAGIC && n > 0)
		n = read_ahead(file);
	if (n < 0)
		return error_set(err, "%s", strerror(errno));
	*filter = compression_detect(file->buffer, file->ahead);
	return 0;
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

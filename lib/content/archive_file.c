/* A file that libarchive reads: see archive_file.h. */
#include "content/archive_file.h"

#include <archive_entry.h>
#include <errno.h>

#include "base/file.h"
#include "content/compression.h"

#define BARREN_LIMIT ((size_t)64 << 20)

void archive_file_init(struct archive_file *file, int fd, int64_t offset)
{
	*file = (struct archive_file){.archive = xalloc(archive_read_new()),
				      .fd = fd,
				      .offset = offset,
				      .buffer = xmalloc(TAR_HEADER_PIECE)};
}

/* Appends more data to the buffer.  Returns as read(2) does. */
static ssize_t read_ahead(struct archive_file *file)
{
	char *end = file->buffer + file->ahead;
	size_t room = TAR_HEADER_PIECE - file->ahead;
	ssize_t n = file_read(file->fd, end, room, file->offset);

	if (n > 0) {
		file->ahead += (size_t)n;
		file->offset += file->offset < 0 ? 0 : n;
	}
	return n;
}

/* libarchive buffers the name in a gzip header, whose length is unlimited. */
static int check_barren(struct archive_file *file, size_t len, ducc_error **err)
{
	file->barren += len;
	if (!file->gzip || file->barren <= BARREN_LIMIT)
		return 0;
	return error_set(err, "more than %zu bytes in a row decompress to nothing", BARREN_LIMIT);
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
	if (file->inflates ? check_barren(file, len, &file->error) < 0
			   : tar_header_take(&file->header, len, &file->error) < 0)
		return -1;
	*data = file->buffer;
	return (la_ssize_t)len;
}

/* Sets *filter to the compression of the file. */
static int detect(struct archive_file *file, int *filter, ducc_error **err)
{
	ssize_t n = 1;

	while (file->ahead < COMPRESSION_MAGIC && n > 0)
		n = read_ahead(file);
	if (n < 0)
		return error_set(err, "%s", strerror(errno));
	*filter = compression_detect(file->buffer, file->ahead);
	return 0;
}

int archive_file_inflate(struct archive_file *file, ducc_error **err)
{
	struct archive_entry *entry;
	int filter, result;

	if (detect(file, &filter, err) < 0)
		return -1;
	compression_undo(file->archive, filter);
	archive_read_support_format_raw(file->archive);
	archive_read_support_format_empty(file->archive);
	file->inflates = true;
	file->gzip = filter == ARCHIVE_FILTER_GZIP;
	/* If decompression fails at once, only the error distinguishes this from an empty file. */
	if (archive_file_open(file) != ARCHIVE_OK || file->error || archive_errno(file->archive))
		return archive_file_fail(file, err);
	result = archive_read_next_header(file->archive, &entry);
	if (result != ARCHIVE_OK && result != ARCHIVE_EOF)
		return archive_file_fail(file, err);
	return result == ARCHIVE_EOF;
}

int archive_file_read(struct archive_file *file, const void **data, size_t *len, ducc_error **err)
{
	la_int64_t offset;
	int result = archive_read_data_block(file->archive, data, len, &offset);

	if (result == ARCHIVE_EOF)
		return 0;
	if (result != ARCHIVE_OK)
		return archive_file_fail(file, err);
	if (*len)
		file->barren = 0;
	return 1;
}

int archive_file_open(struct archive_file *file)
{
	return archive_read_open(file->archive, file, NULL, on_read, NULL);
}

int archive_file_fail(const struct archive_file *file, ducc_error **err)
{
	const char *text = archive_error_string(file->archive);

	if (file->error)
		return error_give(err, error_copy(file->error));
	return error_set(err, "%s", text ? text : "not an archive");
}

void archive_file_close(struct archive_file *file)
{
	archive_read_free(file->archive);
	free(file->buffer);
	ducc_error_free(file->error);
}

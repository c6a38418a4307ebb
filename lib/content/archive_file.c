/* A file that libarchive reads: see archive_file.h. */
#include "content/archive_file.h"

#include <archive_entry.h>
#include <errno.h>

#include "base/file.h"
#include "content/compression.h"

#define INFLATED_SIZE ((size_t)256 << 10)

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
		file->read += (uint64_t)n;
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
	if (!file->inflates && tar_header_take(&file->header, len, &file->error) < 0)
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

/* Inflates the next piece: 1, 0 at the end, or -1 with *err set. */
static int inflate_piece(struct archive_file *file, const void **data, size_t *len,
			 ducc_error **err)
{
	ssize_t n;

	while (!(n = gunzip_step(file->gunzip, &file->next, &file->ahead, file->inflated,
				 INFLATED_SIZE, err))) {
		n = read_ahead(file);
		if (n < 0)
			return error_set(err, "%s", strerror(errno));
		if (!n)
			return gunzip_end(file->gunzip, err);
		file->next = file->buffer;
	}
	*data = file->inflated;
	*len = n < 0 ? 0 : (size_t)n;
	return n < 0 ? -1 : 1;
}

/* The first piece shows whether there is anything in it. */
static int open_gzip(struct archive_file *file, ducc_error **err)
{
	const void *data;
	int result;

	file->gunzip = gunzip_new();
	file->inflated = xmalloc(INFLATED_SIZE);
	file->next = file->buffer;
	result = inflate_piece(file, &data, &file->ready, err);
	return result < 0 ? -1 : !result;
}

static int open_raw(struct archive_file *file, int filter, ducc_error **err)
{
	struct archive_entry *entry;
	int result;

	compression_undo(file->archive, filter);
	archive_read_support_format_raw(file->archive);
	archive_read_support_format_empty(file->archive);
	/* If decompression fails at once, only the error distinguishes this from an empty file. */
	if (archive_file_open(file) != ARCHIVE_OK || file->error || archive_errno(file->archive))
		return archive_file_fail(file, err);
	result = archive_read_next_header(file->archive, &entry);
	if (result != ARCHIVE_OK && result != ARCHIVE_EOF)
		return archive_file_fail(file, err);
	return result == ARCHIVE_EOF;
}

int archive_file_inflate(struct archive_file *file, ducc_error **err)
{
	int filter;

	if (detect(file, &filter, err) < 0)
		return -1;
	file->inflates = true;
	return filter == ARCHIVE_FILTER_GZIP ? open_gzip(file, err) : open_raw(file, filter, err);
}

int archive_file_read(struct archive_file *file, const void **data, size_t *len, ducc_error **err)
{
	la_int64_t offset;
	int result;

	if (file->ready) {
		*data = file->inflated;
		*len = file->ready;
		file->ready = 0;
		return 1;
	}
	if (file->gunzip)
		return inflate_piece(file, data, len, err);
	result = archive_read_data_block(file->archive, data, len, &offset);
	if (result == ARCHIVE_EOF)
		return 0;
	return result == ARCHIVE_OK ? 1 : archive_file_fail(file, err);
}

uint64_t archive_file_consumed(const struct archive_file *file)
{
	return file->gunzip ? file->read - file->ahead
			    : (uint64_t)archive_filter_bytes(file->archive, -1);
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
	gunzip_free(file->gunzip);
	free(file->inflated);
	free(file->buffer);
	ducc_error_free(file->error);
}

/* The compression of a blob or archive: see compression.h. */
#include "content/compression.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/gunzip.h"

#define INPUT_SIZE ((size_t)64 << 10)

/* RFC 1952, section 2.3.1; RFC 8878, sections 3.1.1 and 3.1.2 (including skippable frames). */
static bool is_gzip(const unsigned char *magic)
{
	return magic[0] == 0x1f && magic[1] == 0x8b && magic[2] == 8;
}

static bool is_zstd(const unsigned char *magic)
{
	return !memcmp(magic, "\x28\xb5\x2f\xfd", 4) ||
	       ((magic[0] & 0xf0) == 0x50 && !memcmp(magic + 1, "\x2a\x4d\x18", 3));
}

enum compression compression_detect(const void *data, size_t len)
{
	if (len < COMPRESSION_MAGIC)
		return COMPRESSION_NONE;
	if (is_gzip(data))
		return COMPRESSION_GZIP;
	return is_zstd(data) ? COMPRESSION_ZSTD : COMPRESSION_NONE;
}

/* Reads more behind the bytes in the buffer: 1, 0 at the end of the file, or -1. */
static int read_ahead(struct inflation *inflation, ducc_error **err)
{
	char *end = inflation->buffer + inflation->ahead;
	size_t room = INPUT_SIZE - inflation->ahead;
	ssize_t n = file_read(inflation->fd, end, room, inflation->offset);

	if (n < 0)
		return error_set(err, "%s", strerror(errno));
	inflation->next = inflation->buffer;
	inflation->ahead += (size_t)n;
	inflation->read += (uint64_t)n;
	inflation->offset += inflation->offset < 0 ? 0 : n;
	return n > 0;
}

static ssize_t read_plain(struct inflation *inflation, void *to, size_t size, ducc_error **err)
{
	size_t len = inflation->ahead;

	if (!len && read_ahead(inflation, err) < 0)
		return -1;
	len = inflation->ahead < size ? inflation->ahead : size;
	memcpy(to, inflation->next, len);
	inflation->next += len;
	inflation->ahead -= len;
	return (ssize_t)len;
}

static ssize_t read_gzip(struct inflation *inflation, void *to, size_t size, ducc_error **err)
{
	const void *next = inflation->next;
	ssize_t n;

	while (!(n = gunzip_step(inflation->gunzip, &next, &inflation->ahead, to, size, err))) {
		int result = read_ahead(inflation, err);

		if (result <= 0)
			return result < 0 ? -1 : gunzip_end(inflation->gunzip, err);
		next = inflation->next;
	}
	inflation->next = next;
	return n;
}

/* --- zstd ------------------------------------------------------------- */

static la_ssize_t on_read(struct archive *archive, void *ctx, const void **data)
{
	struct inflation *inflation = ctx;
	size_t len;

	(void)archive;
	if (!inflation->ahead && read_ahead(inflation, &inflation->error) < 0)
		return -1;
	*data = inflation->next;
	len = inflation->ahead;
	inflation->ahead = 0;
	return (la_ssize_t)len;
}

/* Sets *err to the cause, from the callback or from libarchive.  Returns -1. */
static int fail(const struct inflation *inflation, ducc_error **err)
{
	const char *text = archive_error_string(inflation->archive);

	if (inflation->error)
		return error_give(err, error_copy(inflation->error));
	return error_set(err, "%s", text ? text : "cannot be decompressed");
}

/*
 * libarchive could detect the compression, but also decompresses nested compression, up to 25
 * levels.  No container engine does that, and data between the levels would not count towards
 * limits.
 */
static int open_zstd(struct inflation *inflation, ducc_error **err)
{
	struct archive *archive = inflation->archive = xalloc(archive_read_new());
	struct archive_entry *entry;
	int result;

	/* Built without zstd, it would run the program of that name. */
	if (archive_read_append_filter(archive, ARCHIVE_FILTER_ZSTD) != ARCHIVE_OK)
		return error_set_kind(err, DUCC_SYSTEM, "zstd is not supported by this libarchive");
	archive_read_support_format_raw(archive);
	archive_read_support_format_empty(archive);
	/* If decompression fails at once, only the error distinguishes this from an empty file. */
	if (archive_read_open(archive, inflation, NULL, on_read, NULL) != ARCHIVE_OK ||
	    inflation->error || archive_errno(archive))
		return fail(inflation, err);
	result = archive_read_next_header(archive, &entry);
	inflation->at_end = result == ARCHIVE_EOF;
	return result == ARCHIVE_OK || result == ARCHIVE_EOF ? 0 : fail(inflation, err);
}

static ssize_t read_zstd(struct inflation *inflation, void *to, size_t size, ducc_error **err)
{
	la_ssize_t n = inflation->at_end ? 0 : archive_read_data(inflation->archive, to, size);

	inflation->at_end = !n;
	return n < 0 ? fail(inflation, err) : n;
}

/* --- all -------------------------------------------------------------- */

int inflation_open(struct inflation *inflation, int fd, int64_t offset, ducc_error **err)
{
	int result = 1;

	*inflation = (struct inflation){.fd = fd, .offset = offset, .buffer = xmalloc(INPUT_SIZE)};
	while (inflation->ahead < COMPRESSION_MAGIC && result > 0)
		result = read_ahead(inflation, err);
	if (result < 0)
		return -1;
	inflation->compression = compression_detect(inflation->buffer, inflation->ahead);
	if (inflation->compression == COMPRESSION_ZSTD)
		return open_zstd(inflation, err);
	if (inflation->compression == COMPRESSION_GZIP)
		inflation->gunzip = gunzip_new();
	return 0;
}

ssize_t inflation_read(struct inflation *inflation, void *to, size_t size, ducc_error **err)
{
	switch (inflation->compression) {
	case COMPRESSION_GZIP:
		return read_gzip(inflation, to, size, err);
	case COMPRESSION_ZSTD:
		return read_zstd(inflation, to, size, err);
	default:
		return read_plain(inflation, to, size, err);
	}
}

uint64_t inflation_consumed(const struct inflation *inflation)
{
	if (inflation->archive)
		return (uint64_t)archive_filter_bytes(inflation->archive, -1);
	return inflation->read - inflation->ahead;
}

void inflation_close(struct inflation *inflation)
{
	archive_read_free(inflation->archive);
	gunzip_free(inflation->gunzip);
	free(inflation->buffer);
	ducc_error_free(inflation->error);
}

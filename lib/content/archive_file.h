/*
 * A file that libarchive reads with explicit offsets, so that readers can share a descriptor.
 *
 * Call archive_file_init(), choose formats and filters (archive_read_support_...), call
 * archive_file_open(), and read entries with tar_header_next(), which bounds their headers.
 */
#ifndef DUCC_ARCHIVE_FILE_H
#define DUCC_ARCHIVE_FILE_H

#include <archive.h>
#include <stdint.h>

#include "base/mem.h"
#include "content/gunzip.h"
#include "content/tar_header.h"

struct archive_file {
	struct archive *archive;
	struct tar_header header;
	int fd;            /* owned by the caller */
	int64_t offset;    /* of the next byte; -1: use the descriptor's own, e.g. of a pipe */
	char *buffer;      /* bytes of the file */
	size_t ahead;      /* how many of them, or of those at `next', are still to be decoded */
	uint64_t read;     /* bytes in all */
	bool inflates;     /* archive_file_inflate() */
	ducc_error *error; /* from the callback */

	/* Gzip, which libarchive does not read. */
	struct gunzip *gunzip;
	const void *next; /* in the buffer */
	char *inflated;
	size_t ready; /* bytes there that archive_file_read() is still to return */
};

void archive_file_init(struct archive_file *file, int fd, int64_t offset);

/* Returns ARCHIVE_OK or another status of libarchive; for its cause see archive_file_fail(). */
int archive_file_open(struct archive_file *file);

/*
 * Alternative to archive_file_open(): opens the file as a decompressed stream, which can be read
 * once.  Returns 0; 1 if the file is empty, so that there is nothing to read; or -1 with *err
 * set.
 */
int archive_file_inflate(struct archive_file *file, ducc_error **err);

/* Reads the next piece of the stream: 1, 0 at the end, or -1 with *err set. */
int archive_file_read(struct archive_file *file, const void **data, size_t *len, ducc_error **err);

/* How many bytes of the file have been read to decompress what has been returned. */
uint64_t archive_file_consumed(const struct archive_file *file);

/* Sets *err to the cause, from the callback or from libarchive.  Returns -1. */
int archive_file_fail(const struct archive_file *file, ducc_error **err);

void archive_file_close(struct archive_file *file);

#define AUTO_ARCHIVE_FILE CLEANUP(archive_file_close) struct archive_file

#endif

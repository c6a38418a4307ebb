/*
 * A file that libarchive reads from any position, so that readers can share a descriptor.
 *
 * Call archive_file_init(), choose formats and filters (archive_read_support_...), call
 * archive_file_open(), and read entries with tar_header_next(), which bounds their headers.
 */
#ifndef DUCC_ARCHIVE_FILE_H
#define DUCC_ARCHIVE_FILE_H

#include <archive.h>
#include <stdint.h>

#include "base/mem.h"
#include "content/tar_header.h"

struct archive_file {
	struct archive *archive;
	struct tar_header header;
	int fd;            /* stays the caller's */
	int64_t offset;    /* of the next byte; -1: the descriptor's own, as in a pipe */
	char *buffer;      /* holds what libarchive was given last */
	size_t ahead;      /* bytes there that it has not been given yet */
	bool inflates;     /* archive_file_inflate() */
	bool gzip;         /* ... what gzip has compressed */
	size_t barren;     /* bytes that have gone into decompression since some came out */
	ducc_error *error; /* from within the callback */
};

void archive_file_init(struct archive_file *file, int fd, int64_t offset);

/* Returns ARCHIVE_OK or another status of libarchive; for its cause see archive_file_fail(). */
int archive_file_open(struct archive_file *file);

/*
 * Instead of that, after archive_file_init(): opens the file for reading it decompressed, once, as
 * a stream.  Returns 0; 1 if it has no bytes, so that there is nothing to read; or -1 with *err
 * set.
 */
int archive_file_inflate(struct archive_file *file, ducc_error **err);

/* The next piece of it: 1, 0 at the end, or -1 with *err set. */
int archive_file_read(struct archive_file *file, const void **data, size_t *len, ducc_error **err);

/* Sets *err to the cause, from the callback or from libarchive.  Returns -1. */
int archive_file_fail(const struct archive_file *file, ducc_error **err);

void archive_file_close(struct archive_file *file);

#define AUTO_ARCHIVE_FILE CLEANUP(archive_file_close) struct archive_file

#endif

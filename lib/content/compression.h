/*
 * The compression of a blob or archive: gzip, zstd or none, detected from its first bytes; and
 * its undoing, one level of it.
 */
#ifndef DUCC_COMPRESSION_H
#define DUCC_COMPRESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/mem.h"

enum compression {
	COMPRESSION_NONE,
	COMPRESSION_GZIP,
	COMPRESSION_ZSTD,
};

/* Bytes needed for detection; fewer only if the file is shorter. */
#define COMPRESSION_MAGIC 4

enum compression compression_detect(const void *data, size_t len);

/* A file as a decompressed stream, which can be read once. */
struct inflation {
	int fd;         /* owned by the caller */
	int64_t offset; /* of the next byte; -1: use the descriptor's own, e.g. of a pipe */
	enum compression compression;

	char *buffer;      /* bytes of the file */
	const char *next;  /* those that are still to be decompressed ... */
	size_t ahead;      /* ... and how many */
	uint64_t read;     /* bytes of the file so far */
	ducc_error *error; /* from a callback */

	struct gunzip *gunzip;
	struct archive *archive; /* for zstd */
	bool at_end;             /* of it */
};

/* Opens the file, at its beginning or, with offset -1, at the descriptor's own offset. */
int inflation_open(struct inflation *inflation, int fd, int64_t offset, ducc_error **err);
void inflation_close(struct inflation *inflation);

/* Reads from the stream, as read(2) does; but a failure sets *err. */
ssize_t inflation_read(struct inflation *inflation, void *to, size_t size, ducc_error **err);

/* The bytes of the file that have been decompressed so far. */
uint64_t inflation_consumed(const struct inflation *inflation);

#define AUTO_INFLATION CLEANUP(inflation_close) struct inflation

#endif

/*
 * Reading, copying, writing and replacing files; EINTR is retried.
 *
 * Functions without an err argument return -1 and set errno.
 */
#ifndef DUCC_FILE_H
#define DUCC_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/mem.h"

/* True if both are the status of the same file. */
static inline bool file_is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* pread(2), or read(2) if the offset is negative, retried on EINTR. */
ssize_t file_read(int fd, void *data, size_t len, int64_t offset);
/* The same until there are `len` bytes, or the end of the file. */
ssize_t file_read_all(int fd, void *data, size_t len, uint64_t offset);

/*
 * Reads a range of a regular file in pieces:
 *
 *	AUTO_PIECES pieces = pieces_of(fd, offset, size);
 *	while (pieces_next(&pieces))
 *		... pieces.data, pieces.len ...
 *	if (pieces.error)
 *		return error_errno(err, pieces.error, ...);
 */
struct pieces {
	char *data; /* a piece of the file, at most `most' bytes */
	size_t len;
	size_t most; /* PIECE_SIZE, or less if the caller sets it */
	int fd;
	uint64_t offset; /* of the next piece */
	uint64_t left;
	int error; /* errno value; EIO if the file ends too early */
};

#define PIECE_SIZE ((size_t)128 << 10)
#define TO_THE_END UINT64_MAX

/* `size` bytes from `offset`, or TO_THE_END. */
struct pieces pieces_of(int fd, uint64_t offset, uint64_t size);
bool pieces_next(struct pieces *pieces);
void pieces_free(struct pieces *pieces);

#define AUTO_PIECES CLEANUP(pieces_free) struct pieces

/* Copies `size` bytes, or TO_THE_END, between the current offsets of two files. */
int file_copy(int from, int to, uint64_t size);

/* Reads a whole regular file of at most `limit` bytes; the caller frees *data (NUL-terminated). */
int read_file(int fd, size_t limit, char **data, size_t *len, ducc_error **err);

/*
 * Reads any kind of file to the end and appends its contents to `data`, which may
 * hold at most `limit` bytes.
 */
int read_stream(int fd, size_t limit, struct buffer *data, ducc_error **err);

/* Writes everything, continuing after short writes. */
int write_all(int fd, const void *data, size_t len);
/* The same as a callback: ctx points to the descriptor. */
int file_sink(void *ctx, const void *data, size_t len, ducc_error **err);

/*
 * Call after appending to a file, with its old and new size: starts writeback
 * every few megabytes, so that the final fsync(2) has little left to write.
 */
void write_behind(int fd, uint64_t before, uint64_t after);

/*
 * Creates or atomically replaces a file: writes NAME.new, syncs it, and renames it.  The rename
 * is durable after the next sync of the directory.  `directory` and `name` are as for openat(2).
 */
int file_replace(int directory, const char *name, const void *data, size_t len);

#endif

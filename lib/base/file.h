/*
 * Contents of files: read, copied, written and replaced, whatever signals come in between.
 *
 * Functions return -1 with errno set where they have no err argument.
 */
#ifndef DUCC_FILE_H
#define DUCC_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/mem.h"

/* As pread(2), or read(2) if the offset is negative; a signal does not end it. */
ssize_t file_read(int fd, void *data, size_t len, int64_t offset);

/*
 * A part of a regular file, piece by piece:
 *
 *	AUTO_PIECES pieces = pieces_of(fd, offset, size);
 *	while (pieces_next(&pieces))
 *		... pieces.data, pieces.len ...
 *	if (pieces.error)
 *		return error_errno(err, pieces.error, ...);
 */
struct pieces {
	char *data; /* a piece of the file, at most PIECE_SIZE bytes */
	size_t len;
	int fd;
	uint64_t offset; /* of what comes after it */
	uint64_t left;
	int error; /* EIO if the file ends too early */
};

#define PIECE_SIZE ((size_t)1 << 20)
#define TO_THE_END UINT64_MAX

/* From `offset` on: `size` bytes, or TO_THE_END. */
struct pieces pieces_of(int fd, uint64_t offset, uint64_t size);
bool pieces_next(struct pieces *pieces);
void pieces_free(struct pieces *pieces);

#define AUTO_PIECES CLEANUP(pieces_free) struct pieces

/* Copies `size` bytes, or all TO_THE_END, from where one file is to where the other one is. */
int file_copy(int from, int to, uint64_t size);

/* Reads a whole regular file of at most `limit` bytes; the caller frees *data (NUL-terminated). */
int read_file(int fd, size_t limit, char **data, size_t *len, ducc_error **err);

/*
 * Reads what there is to read until the end, of anything that can be read.  More
 * than `limit` bytes are an error.
 */
int read_stream(int fd, size_t limit, struct buffer *data, ducc_error **err);

/* Writes everything, however often write(2) stops short. */
int write_all(int fd, const void *data, size_t len);

/*
 * Call after writing from `before` to `after` in a file that grows: every few
 * megabytes they are sent on their way to the disk, so that the final fsync(2)
 * has little left to wait for.
 */
void write_behind(int fd, uint64_t before, uint64_t after);

/*
 * Writes the file, or a new one in the place of the one that is there: it is on the disk before
 * it has the name, and NAME.new until then.  The name reaches the disk with the next sync of
 * the directory.  Takes its name as openat(2) does.
 */
int file_replace(int directory, const char *name, const void *data, size_t len);

#endif

/*
 * Reading tar archives: V7, ustar, pax, GNU's and star's, as a stream.
 *
 * What an archive contains is what container engines see in it, that is Go's archive/tar; other
 * readers may see other entries in the same bytes.  In particular:
 *
 *	- links, devices, directories and FIFOs have no content, whatever their size
 *	- global extended headers do not count
 *	- of extended attributes only SCHILY.xattr counts; access control lists do not
 *	- a GNU long name takes precedence over the path of pax
 *	- the archive ends with two zero blocks, or where the stream ends; a zero block before
 *	  anything else is an error, what follows two of them is not read
 *	- the padding of the last entry may be missing
 *
 * Stricter than engines: extended headers must precede an entry directly, and have a limit.
 */
#ifndef DUCC_TAR_READER_H
#define DUCC_TAR_READER_H

#include <sys/stat.h>

#include "base/error.h"
#include "content/pax.h"

/*
 * In bytes, of all headers of an entry: long names, extended attributes, the map of a sparse file;
 * for archives from outside.  Container engines limit headers to 1 MiB; those of real files take a
 * few thousand bytes.
 */
#define TAR_HEADER_LIMIT ((size_t)128 << 10)

/* Strings and arrays are the reader's, and valid until the next call of tar_reader_next(). */
struct tar_entry {
	const char *name;
	const char *link; /* target of a link */
	mode_t mode;      /* type and permissions, as st_mode; type 0: an unknown one */
	bool is_hard_link;
	bool is_sparse;
	int64_t uid, gid;
	int64_t mtime;       /* seconds since 1970 */
	uint32_t mtime_nsec; /* added to mtime */
	int64_t major, minor;
	uint64_t size; /* of the content, including holes */
	const struct pax_xattr *xattrs;
	size_t n_xattrs;
	uint64_t offset; /* in the archive, of its first header */
};

/*
 * Where the bytes come from: read() gets the next piece, valid until the next call: 1, 0 at the
 * end, or -1 with *err set.
 */
struct tar_source {
	int (*read)(void *ctx, const void **data, size_t *len, ducc_error **err);
	void *ctx;
};

struct tar_reader;

/* All headers of an entry may have `header_limit` bytes together. */
struct tar_reader *tar_reader_new(struct tar_source source, size_t header_limit);
/* Reads the file from that offset on; the caller closes it. */
struct tar_reader *tar_reader_file(int fd, uint64_t offset, size_t header_limit);
void tar_reader_free(struct tar_reader *reader);

/* Goes to the next entry: 1, 0 at the end, or -1 with *err set. */
int tar_reader_next(struct tar_reader *reader, const struct tar_entry **entry, ducc_error **err);

/*
 * Gets the next piece of the entry's content, valid until the next call: 1, 0 at its end, or -1
 * with *err set.  Holes are zeros.
 */
int tar_reader_data(struct tar_reader *reader, const void **data, size_t *len, ducc_error **err);

/* Passes the whole content to write(), which returns 0, or -1 with *err set. */
int tar_reader_copy(struct tar_reader *reader,
		    int (*write)(void *ctx, const void *data, size_t len, ducc_error **err),
		    void *ctx, ducc_error **err);

static inline void tar_reader_cleanup(struct tar_reader **reader)
{
	tar_reader_free(*reader);
}

#define AUTO_TAR_READER CLEANUP(tar_reader_cleanup) struct tar_reader

#endif

/*
 * The headers of a tar, bounded in size.
 *
 * Before libarchive returns an entry, it reads all that the tar says of it: long names, extended
 * attributes, access control lists, the map of a sparse file.  It keeps all that in memory, of
 * which a compressed map may take a thousandth, and takes quadratic time for the lists.  So the
 * function that feeds libarchive counts what it hands over.
 */
#ifndef DUCC_TAR_HEADER_H
#define DUCC_TAR_HEADER_H

#include <archive.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/*
 * Bytes.  Container engines bound what they read of a header to 1 MiB; names, targets and the
 * attributes of real files take a few thousand.
 */
#define TAR_HEADER_LIMIT ((size_t)128 << 10)

/* The most to hand over at a time: so much more than a header has may be counted with it. */
#define TAR_HEADER_PIECE ((size_t)64 << 10)

/* Entries of access control lists, which ducc has no use for. */
#define TAR_HEADER_ACL_LIMIT 100

/* Begins as {0}. */
struct tar_header {
	bool begun;   /* an entry was read before */
	bool reading; /* a header is being read */
	size_t size;  /* bytes of it so far */
};

/*
 * archive_read_next_header(), which calls back for the bytes it reads.  ARCHIVE_FATAL, with an
 * error set in the archive, if there are too many entries of access control lists.
 */
int tar_header_next(struct tar_header *header, struct archive *archive,
		    struct archive_entry **entry);

/* For the callback, with `len` more bytes: 0, or -1 with *err set if they exceed the limit. */
int tar_header_take(struct tar_header *header, size_t len, ducc_error **err);

#endif

/*
 * Limiting the size of tar headers.
 *
 * Before libarchive returns an entry, it reads all of its metadata: long names, extended
 * attributes, access control lists, the map of a sparse file.  It keeps them in memory, where a
 * compressed map may expand a thousandfold, and takes quadratic time for the lists.  So the
 * callback that feeds libarchive counts the bytes.
 */
#ifndef DUCC_TAR_HEADER_H
#define DUCC_TAR_HEADER_H

#include <archive.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/*
 * In bytes.  Container engines limit headers to 1 MiB; names, targets and the attributes of
 * real files take a few thousand.
 */
#define TAR_HEADER_LIMIT ((size_t)128 << 10)

/* The maximum bytes to pass at a time; up to that many beyond a header may count as part of it. */
#define TAR_HEADER_PIECE ((size_t)64 << 10)

/* The maximum number of entries of access control lists, which ducc ignores. */
#define TAR_HEADER_ACL_LIMIT 100

/* Initialise with {0}. */
struct tar_header {
	bool begun;   /* an entry was read before */
	bool reading; /* a header is being read */
	size_t size;  /* bytes of it so far */
};

/*
 * Wraps archive_read_next_header(), which calls back for the bytes it reads.  ARCHIVE_FATAL, with
 * an error set in the archive, if access control lists have too many entries.
 */
int tar_header_next(struct tar_header *header, struct archive *archive,
		    struct archive_entry **entry);

/* Call from the callback for `len` more bytes: 0, or -1 with *err set beyond the limit. */
int tar_header_take(struct tar_header *header, size_t len, ducc_error **err);

#endif

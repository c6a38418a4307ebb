/*
 * The headers of a tar, bounded in size.
 *
 * Before libarchive returns an entry, it reads all that the tar says of it: long names, extended
 * attributes, the map of a sparse file.  It keeps all that in memory, and a compressed map may
 * take a thousandth of that.  So the function that feeds libarchive counts what it hands over.
 */
#ifndef DUCC_TARHEADER_H
#define DUCC_TARHEADER_H

#include <archive.h>
#include <stdbool.h>
#include <stddef.h>

#include "error.h"

/* Bytes.  Linux's own limits for names, targets and attributes are well below. */
#define TARHEADER_LIMIT ((size_t)2 << 20)

/* Begins as {0}. */
struct tarheader {
	bool begun;   /* an entry was read before */
	bool reading; /* a header is being read */
	size_t size;  /* bytes of it so far */
};

/* archive_read_next_header(), which calls back for the bytes it reads. */
int tarheader_next(struct tarheader *header, struct archive *archive, struct archive_entry **entry);

/* For the callback, with `len` more bytes: 0, or -1 with *err set if they exceed the limit. */
int tarheader_take(struct tarheader *header, size_t len, ducc_error **err);

#endif

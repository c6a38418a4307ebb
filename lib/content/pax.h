/*
 * The records of a pax extended header: POSIX's pax(1), "pax Extended Header"; GNU's manual of
 * tar, "Storing Sparse Files"; SCHILY.xattr is star's.
 *
 * Of records with the same key the last one counts, and an empty value is none, except of an
 * extended attribute.  Others than those below are ignored: access control lists, for example,
 * and libarchive's attributes.
 */
#ifndef DUCC_PAX_H
#define DUCC_PAX_H

#include "base/buffer.h"
#include "base/error.h"

enum pax_key {
	PAX_PATH,
	PAX_LINKPATH,
	PAX_UNAME,
	PAX_GNAME,
	PAX_UID,
	PAX_GID,
	PAX_SIZE,
	PAX_MTIME,
	PAX_ATIME,
	PAX_CTIME,
	PAX_SPARSE_MAJOR,
	PAX_SPARSE_MINOR,
	PAX_SPARSE_NAME,
	PAX_SPARSE_SIZE,
	PAX_SPARSE_REALSIZE,
	PAX_SPARSE_NUMBLOCKS,
	PAX_SPARSE_MAP,
	PAX_SPARSE_OFFSET, /* these two are also in PAX_SPARSE_MAP, as format 0.1 has them */
	PAX_SPARSE_NUMBYTES,
	PAX_KEYS,
};

struct pax_xattr {
	const char *name, *value;
	size_t len;
};

/* {.n_xattrs = 0} is empty. */
struct pax {
	const char *values[PAX_KEYS]; /* NULL: none */
	struct pax_xattr *xattrs;     /* in the order of the records */
	size_t n_xattrs, capacity;

	struct buffer text; /* what all of them point into */
	struct buffer map;  /* of pieces with a record of their own */
	size_t numbers;     /* in that map */
};

/* Parses the records in pax->text. */
int pax_parse(struct pax *pax, ducc_error **err);

/* Forgets all records. */
void pax_reset(struct pax *pax);
void pax_free(struct pax *pax);

#endif

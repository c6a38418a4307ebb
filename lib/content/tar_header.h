/*
 * The header blocks of tar archives: POSIX's pax(1), "ustar Interchange Format"; GNU's manual of
 * tar, "Basic Tar Format"; star(5).
 */
#ifndef DUCC_TAR_HEADER_H
#define DUCC_TAR_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "content/tar_sparse.h"

#define TAR_HEADER_SIZE 512

/* The second half differs between formats. */
struct tar_header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type;
	char link[100], magic[8], uname[32], gname[32], major[8], minor[8];
	union {
		char prefix[155]; /* ustar */
		struct {
			char prefix[131], atime[12], ctime[12];
		} star;
		struct {
			char atime[12], ctime[12], unused[17];
			char sparse[SPARSE_FIELDS * SPARSE_FIELD_SIZE], extended, size[12];
		} gnu;
	};
	char rest[8], trailer[4];
};

_Static_assert(sizeof(struct tar_header) == TAR_HEADER_SIZE, "a header is a block");

enum tar_format {
	TAR_V7,
	TAR_USTAR, /* and pax */
	TAR_STAR,
	TAR_GNU,
};

struct tar_numbers {
	int64_t mode, uid, gid, size, mtime;
	int64_t major, minor; /* 0 in V7 */
};

/* True for one of the blocks at the end of an archive. */
bool tar_header_is_zero(const struct tar_header *header);

/* True if the checksum is right: of unsigned bytes, or of signed ones as some old programs. */
bool tar_header_has_checksum(const struct tar_header *header);

enum tar_format tar_header_format(const struct tar_header *header);

/* False if one of the numbers, or of star's times, is none. */
bool tar_header_numbers(const struct tar_header *header, struct tar_numbers *numbers);

/* Set the name, which may have its beginning in another field, and the target of a link. */
void tar_header_name(const struct tar_header *header, struct buffer *name);
void tar_header_link(const struct tar_header *header, struct buffer *link);

#endif

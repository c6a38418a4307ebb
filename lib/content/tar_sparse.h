/*
 * The map of a sparse file in a tar: where its data lie, all of which follow one another in the
 * archive; between them are holes.  GNU's manual of tar, "Storing Sparse Files".
 */
#ifndef DUCC_TAR_SPARSE_H
#define DUCC_TAR_SPARSE_H

#include "base/error.h"

struct extent {
	uint64_t offset, len;
};

/* {.n = 0, .end = 0} is empty. */
struct sparse_map {
	struct extent *list;
	size_t n, capacity;
	uint64_t end; /* of the last one */
};

/* The fields of the old GNU format: in the header, and in the blocks that continue it. */
#define SPARSE_FIELDS 4
#define SPARSE_FIELDS_MORE 21
#define SPARSE_FIELD_SIZE 24

/* Adds a piece; it must lie behind the others. */
int sparse_add(struct sparse_map *map, int64_t offset, int64_t len, ducc_error **err);

/* Adds those of the old GNU format, up to the first without an offset. */
int sparse_add_fields(struct sparse_map *map, const char *fields, size_t n, ducc_error **err);

/* Adds those of pax's formats 0.0 and 0.1, whose number `blocks` is; either may be NULL. */
int sparse_add_list(struct sparse_map *map, const char *blocks, const char *list, ducc_error **err);

/* Checks that all data are within a file of that size. */
int sparse_check(const struct sparse_map *map, uint64_t size, ducc_error **err);

#endif

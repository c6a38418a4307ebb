/*
 * Estimates the size of a listing before it is written.  Paths, targets and values are
 * counted exactly.  The fixed part of a line is counted as the memory that an entry needs,
 * which exceeds its text, so that a limit on listings bounds memory as well.
 */
#ifndef DUCC_LISTING_SIZE_H
#define DUCC_LISTING_SIZE_H

#include "content/tree.h"

/* Bytes for the fixed part of a line, and for that of each extended attribute in it. */
#define LISTING_LINE 256
#define LISTING_XATTR 64
/* Bytes of links=. */
#define LISTING_LINKS 72

/* Bytes of a path or name of len bytes once encoded. */
uint64_t listing_text_size(const char *text, size_t len);

/* Bytes of target, extended attributes and origin, repeated in every line of the file. */
uint64_t listing_file_size(const struct file *file);

/* Bytes of the line for a node with that path and file (NULL: none). */
uint64_t listing_node_size(const struct node *node, const struct buffer *path,
			   const struct file *file);

#endif

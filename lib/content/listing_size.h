/*
 * The size of a listing before it is written.  Paths, targets and values are counted
 * exactly.  The fixed part of a line is counted with the memory that an entry needs, which
 * is more than its text, so that a limit on listings bounds memory too.
 */
#ifndef DUCC_LISTING_SIZE_H
#define DUCC_LISTING_SIZE_H

#include "content/tree.h"

/* Bytes for the fixed part of a line, and of each extended attribute in it. */
#define LISTING_LINE 256
#define LISTING_XATTR 64

/* Bytes of a path or name of len bytes, as it is encoded. */
uint64_t listing_text_size(const char *text, size_t len);

/* Bytes of target, extended attributes and origin, which every line of the file repeats. */
uint64_t listing_file_size(const struct file *file);

/* Bytes of the line of a node with that path and file (NULL: none). */
uint64_t listing_node_size(const struct node *node, const struct buffer *path,
			   const struct file *file);

#endif

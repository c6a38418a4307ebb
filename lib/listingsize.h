/*
 * How large a listing becomes, before it is written.  What has no fixed length is exact;
 * for the rest stands what it takes in memory, which is more than in the listing: a limit
 * on listings bounds both.
 */
#ifndef DUCC_LISTINGSIZE_H
#define DUCC_LISTINGSIZE_H

#include "tree.h"

/* Bytes of a line, and of an extended attribute in it, without what has no fixed length. */
#define LISTING_LINE 256
#define LISTING_XATTR 64

/* Bytes that a path or name of len bytes takes. */
uint64_t listing_text_size(const char *text, size_t len);

/* Bytes that the file adds to each line that names it: target, attributes, origin. */
uint64_t listing_file_size(const struct file *file);

#endif

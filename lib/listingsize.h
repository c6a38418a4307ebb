/*
 * How large a listing becomes, before it is written: close enough to limit it, and never
 * less than the half of it.
 */
#ifndef DUCC_LISTINGSIZE_H
#define DUCC_LISTINGSIZE_H

#include "tree.h"

/* Bytes of a line without what has no fixed length. */
#define LISTING_LINE 256

/* Bytes that a path or name of len bytes takes. */
uint64_t listing_text_size(const char *text, size_t len);

/* Bytes that the file adds to each line that names it: target, attributes, origin. */
uint64_t listing_file_size(const struct file *file);

#endif

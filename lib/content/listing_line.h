/*
 * The keywords in a line of a listing (listing.h, mtree(5)).
 *
 * A line must have exactly those of its type, in the order in which listing_write() writes them, each
 * at most once.
 */
#ifndef DUCC_LISTING_LINE_H
#define DUCC_LISTING_LINE_H

#include "content/tree.h"

/*
 * Adds the entry at `path`, a clean one or "" for the root, with the keywords in `text` (NULL: none),
 * separated by single spaces; the text is overwritten.  Of a layer, regular files must be in layers; of an
 * image, they need not.  False if the line is not as listing_write() writes it.
 */
bool listing_line_parse(struct tree *tree, const char *path, char *text, bool of_layer);

#endif

/*
 * Listings: a tree of files as mtree(5) text, one full path a line.
 *
 * Beside the common keywords there are, as explained in ducc-store(5),
 *   contents=.layers/xx/HEX/layerfs/PATH   the layer file that holds the content;
 *                                          files that share it are hard links
 *   hardlink=PATH                          a layer's hard link into the layers below
 *   xattr.NAME=BASE64                      an extended attribute, as in go-mtree
 *   tags=opaque,implied,void                 see enum node_flags
 * and a whiteout is the character device 0:0.  Each path is there once, and they are in
 * order: byte by byte, what is in a directory right after it.
 */
#ifndef DUCC_LISTING_H
#define DUCC_LISTING_H

#include <inttypes.h>

#include "base/error.h"
#include "content/tree.h"

/* What the head of a listing says of a layer; for an image only digests of 0 bytes. */
struct listing_head {
	struct digest layer;   /* as compressed */
	struct digest diff_id; /* as a tar */
	uint64_t size;         /* compressed bytes */
	uint64_t unpacked;     /* bytes of the tar that the layer holds */
};

/*
 * Writes the tree, which must be sorted and have its links counted.  head may be
 * NULL (an image).  Returns 0, or -1 with errno set.
 */
int listing_write(int fd, const struct listing_head *head, struct tree *tree);

/* The same, into memory; the caller frees *text.  Returns 0, or -1 with *err set. */
int listing_print(const struct listing_head *head, struct tree *tree, char **text, size_t *len,
		  ducc_error **err);

/*
 * Reads a listing into a new tree, sorted: that of a layer, or with head NULL that of an
 * image.  What listing_write() does not write is damage: NULL with *err set.
 */
struct tree *listing_read(int fd, struct listing_head *head, ducc_error **err);

/* What writing and reading share: the first line, the format of the head, words. */
#define LISTING_MAGIC "#mtree"
#define LISTING_HEAD "# layer=%s diff-id=%s size=%" PRIu64 " unpacked=%" PRIu64

#define LISTING_SPECIAL "#*?[" /* what mtree(5) gives a meaning, beside blanks */

#define LISTING_TAGS 3
extern const struct listing_tag {
	const char *name;
	uint8_t flag; /* of enum node_flags */
} listing_tags[LISTING_TAGS];

/* The value of type= for a mode. */
const char *listing_type(mode_t mode);

#endif

/*
 * Listings: a tree of files as mtree(5) text, one full path per line.
 *
 * Keywords in addition to the common ones, documented in ducc-store(5):
 *   contents=.layers/xx/HEX/layerfs/PATH   the layer file that holds the content;
 *                                          files that share it are hard links
 *   hardlink=PATH                          a layer's hard link into the layers below
 *   xattr.NAME=BASE64                      an extended attribute, as in go-mtree
 *   through=TARGET, links=HEX, name=PATH   see struct detour
 *   tags=opaque,implied,void,fixed,late    see enum node_flags
 * A whiteout is the character device 0:0.  Each path occurs once; siblings are sorted in byte
 * order, and a directory is followed by its contents.
 *
 * The second line has the digest of all that follows it, so that any change is noticed.  Listings
 * of earlier versions do not have it.
 */
#ifndef DUCC_LISTING_H
#define DUCC_LISTING_H

#include <inttypes.h>

#include "base/error.h"
#include "content/tree.h"

/* The header of a layer's listing. */
struct listing_head {
	struct digest layer;   /* of the compressed blob */
	struct digest diff_id; /* of the uncompressed tar */
	uint64_t size;         /* of the blob in bytes */
	uint64_t unpacked;     /* of the layer's tar in the store in bytes */
};

/* The header of an image's listing in a store. */
struct listing_image {
	struct digest manifest;
	struct digest layers; /* a digest of the listings that were merged (image_layers.h) ... */
	bool exact;           /* ... which have exactly what the image needs in its layers */
};

/*
 * Writes the tree, which must be sorted and have its links counted, to an empty regular file.
 * head is NULL for an image.  Returns 0, or -1 with errno set.
 */
int listing_write(int fd, const struct listing_head *head, struct tree *tree);

/* The same for an image in a store. */
int listing_write_image(int fd, const struct listing_image *image, struct tree *tree);

/* The same as listing_write(), into memory; the caller frees *text.  Returns 0, or -1 with *err set. */
int listing_print(const struct listing_head *head, struct tree *tree, char **text, size_t *len,
		  ducc_error **err);

/*
 * Reads a listing into a new, sorted tree: of a layer, or, if head is NULL, of an image.
 * A text that listing_write() would not write is damaged: NULL with *err set.  One without a
 * digest is read as well.
 */
struct tree *listing_read(int fd, struct listing_head *head, ducc_error **err);

/* The same from memory, of a text that listing_print() made. */
struct tree *listing_parse(const char *text, struct listing_head *head, ducc_error **err);

/* Reads the digest in the second line; false if there is none, or with errno set to other than 0. */
bool listing_id(int fd, struct digest *id);

/* True if it lacks a digest or a header because it was written by an earlier version; false as above. */
bool listing_is_old(int fd);

/* Checks the digest, without parsing the rest; false as above. */
bool listing_is_intact(int fd);
/* The same with an error. */
int listing_check(int fd, ducc_error **err);

/* Reads the header of a layer's listing that has a digest; false as above. */
bool listing_head_of(int fd, struct listing_head *head);

/* The same for an image that listing_write_image() has written. */
bool listing_image_of(int fd, struct listing_image *image);

/* The digest of the layer, or of the manifest, in the header of a listing in a store; false as above. */
bool listing_subject(int fd, struct digest *subject);

/* Shared by writer and reader: the first line, the start of the second, the header, words. */
#define LISTING_MAGIC "#mtree"
#define LISTING_DIGEST "# sha256="
#define LISTING_START (sizeof(LISTING_MAGIC "\n" LISTING_DIGEST "\n") - 1 + DIGEST_HEX_LEN)
#define LISTING_DAMAGED "listing is damaged: " /* messages of damage begin with it */
#define LISTING_HEAD "# layer=%s diff-id=%s size=%" PRIu64 " unpacked=%" PRIu64
#define LISTING_IMAGE "# manifest=%s layers=%s%s"
#define LISTING_EXACT " exact"

#define LISTING_SPECIAL "#*?[" /* special in mtree(5), besides blanks */

#define LISTING_TAGS 5
extern const struct listing_tag {
	const char *name;
	uint8_t flag; /* of enum node_flags */
} listing_tags[LISTING_TAGS];

/* The value of type= for a mode. */
const char *listing_type(mode_t mode);

#endif

/* The size of a listing: see listingsize.h. */
#include "listingsize.h"

#include <string.h>

uint64_t listing_text_size(const char *text, size_t len)
{
	uint64_t size = len;

	/* A backslash and three octal digits stand for all but printable ASCII. */
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] <= ' ' || (unsigned char)text[i] >= 0x7f)
			size += 3;
	return size;
}

uint64_t listing_file_size(const struct file *file)
{
	uint64_t size = 0;

	if (file->target)
		size += listing_text_size(file->target, strlen(file->target));
	if (file->origin && !S_ISDIR(file->mode))
		size += listing_text_size(file->origin, strlen(file->origin));
	for (size_t i = 0; i < file->n_xattrs; i++) {
		const struct xattr *xattr = &file->xattrs[i];

		size += listing_text_size(xattr->name, strlen(xattr->name)) + LISTING_XATTR;
		size += ((uint64_t)xattr->len + 2) / 3 * 4;
	}
	return size;
}

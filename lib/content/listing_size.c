/* The size of a listing: see listing_size.h. */
#include "content/listing_size.h"

#include <string.h>

#include "base/text.h"
#include "content/listing.h"

uint64_t listing_text_size(const char *text, size_t len)
{
	return text_escaped_size(text, len, LISTING_SPECIAL);
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

		size += text_escaped_size(xattr->name, strlen(xattr->name), LISTING_SPECIAL "=");
		size += LISTING_XATTR;
		size += ((uint64_t)xattr->len + 2) / 3 * 4;
	}
	return size;
}

uint64_t listing_node_size(const struct node *node, const struct buffer *path,
			   const struct file *file)
{
	uint64_t size = LISTING_LINE + listing_text_size(path->data, path->len);

	if (file)
		size += listing_file_size(file);
	if (node->detour && node->detour->through)
		size += listing_text_size(node->detour->through, strlen(node->detour->through));
	if (node->detour && node->detour->links)
		size += LISTING_LINKS;
	if (node->detour && node->detour->name)
		size += listing_text_size(node->detour->name, strlen(node->detour->name));
	if (node->lower_link)
		size += listing_text_size(node->lower_link, strlen(node->lower_link));
	return size;
}

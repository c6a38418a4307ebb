/* Limiting the size of tar headers: see tar_header.h. */
#include "content/tar_header.h"

#include <archive_entry.h>
#include <errno.h>

#define ACL_TYPES (ARCHIVE_ENTRY_ACL_TYPE_POSIX1E | ARCHIVE_ENTRY_ACL_TYPE_NFS4)

int tar_header_next(struct tar_header *header, struct archive *archive,
		    struct archive_entry **entry)
{
	int result;

	/* Unread content of the previous entry is not part of the header. */
	if (header->begun && archive_read_data_skip(archive) == ARCHIVE_FATAL)
		return ARCHIVE_FATAL;
	if (header->begun)
		header->size = 0;
	header->begun = header->reading = true;
	result = archive_read_next_header(archive, entry);
	header->reading = false;
	if (result != ARCHIVE_OK && result != ARCHIVE_WARN)
		return result;
	if (archive_entry_acl_count(*entry, ACL_TYPES) <= TAR_HEADER_ACL_LIMIT)
		return result;
	archive_set_error(archive, EINVAL, "access control list of more than %d entries",
			  TAR_HEADER_ACL_LIMIT);
	return ARCHIVE_FATAL;
}

int tar_header_take(struct tar_header *header, size_t len, ducc_error **err)
{
	header->size += len;
	/* libarchive reads the first header when it opens the archive. */
	if (header->begun && !header->reading)
		return 0;
	if (header->size <= TAR_HEADER_LIMIT + TAR_HEADER_PIECE)
		return 0;
	return error_set(err, "header of more than %zu bytes", TAR_HEADER_LIMIT);
}

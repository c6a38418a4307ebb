/* The compression of a blob or archive: see compression.h. */
#include "content/compression.h"

#include <stdbool.h>
#include <string.h>

#include "base/mem.h"

/* RFC 1952, section 2.3.1; RFC 8878, sections 3.1.1 and 3.1.2 (including skippable frames). */
static bool is_gzip(const unsigned char *magic)
{
	return magic[0] == 0x1f && magic[1] == 0x8b && magic[2] == 8;
}

static bool is_zstd(const unsigned char *magic)
{
	return !memcmp(magic, "\x28\xb5\x2f\xfd", 4) ||
	       ((magic[0] & 0xf0) == 0x50 && !memcmp(magic + 1, "\x2a\x4d\x18", 3));
}

int compression_detect(const void *data, size_t len)
{
	if (len < COMPRESSION_MAGIC)
		return ARCHIVE_FILTER_NONE;
	if (is_gzip(data))
		return ARCHIVE_FILTER_GZIP;
	return is_zstd(data) ? ARCHIVE_FILTER_ZSTD : ARCHIVE_FILTER_NONE;
}

void compression_undo(struct archive *archive, int filter)
{
	if (archive_read_append_filter(archive, filter) != ARCHIVE_OK)
		out_of_memory();
}

/*
 * The compression of a blob or archive: gzip, zstd or none, detected from its first bytes.
 *
 * libarchive could detect it, but also decompresses nested compression, up to 25 levels.  No
 * container engine does that, and data between the levels would not count towards limits.
 */
#ifndef DUCC_COMPRESSION_H
#define DUCC_COMPRESSION_H

#include <archive.h>
#include <stddef.h>

/* Bytes needed for detection; fewer only if the file is shorter. */
#define COMPRESSION_MAGIC 4

/* Returns ARCHIVE_FILTER_GZIP, _ZSTD or _NONE. */
int compression_detect(const void *data, size_t len);

/* Makes the archive decompress one level of that filter. */
void compression_undo(struct archive *archive, int filter);

#endif

/*
 * How a blob or archive is compressed: gzip, zstd or not at all, as its first bytes say.
 *
 * libarchive would find that out itself, but go on to look into what it has decompressed, up to
 * 25 times.  No container engine does, and nobody counts what passes between two.
 */
#ifndef DUCC_COMPRESSION_H
#define DUCC_COMPRESSION_H

#include <archive.h>
#include <stddef.h>

/* So many bytes tell; fewer if there are no more. */
#define COMPRESSION_MAGIC 4

/* Returns ARCHIVE_FILTER_GZIP, _ZSTD or _NONE. */
int compression_detect(const void *data, size_t len);

/* Makes the archive decompress that, once. */
void compression_undo(struct archive *archive, int filter);

#endif

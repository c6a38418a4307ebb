/* Modification times from archives: see tar_mtime.h. */
#include "content/tar_mtime.h"

#include <archive.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "content/tarball.h"

#define NANOSECONDS 1000000000

static bool takes_fraction_forward;

/* A ustar header of that type for an entry of `size` bytes. */
static void put_header(unsigned char block[TAR_BLOCK], char type, size_t size)
{
	unsigned sum = 0;

	memset(block, 0, TAR_BLOCK);
	snprintf((char *)block, 100, "probe");
	snprintf((char *)block + 100, 8, "%07o", 0644);
	snprintf((char *)block + 124, 12, "%011zo", size);
	memset(block + 148, ' ', 8); /* the checksum is computed over blanks */
	block[156] = (unsigned char)type;
	memcpy(block + 257, "ustar\00000", 8);
	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += block[i];
	snprintf((char *)block + 148, 8, "%06o", sum);
}

/* Reads an empty file whose time is 1.25 s before 1970. */
static void probe(void)
{
	static const char record[] = "15 mtime=-1.25\n";
	unsigned char tar[3 * TAR_BLOCK + TAR_TRAILER] = {0};
	struct archive *archive = xalloc(archive_read_new());
	struct archive_entry *entry;

	put_header(tar, 'x', sizeof(record) - 1);
	memcpy(tar + TAR_BLOCK, record, sizeof(record) - 1);
	put_header(tar + 2 * TAR_BLOCK, '0', 0);
	archive_read_support_format_tar(archive);
	if (archive_read_open_memory(archive, tar, sizeof(tar)) == ARCHIVE_OK &&
	    archive_read_next_header(archive, &entry) == ARCHIVE_OK)
		takes_fraction_forward = archive_entry_mtime(entry) == -1 &&
					 archive_entry_mtime_nsec(entry) == NANOSECONDS / 4;
	archive_read_free(archive);
}

void mtime_get(struct archive_entry *entry, int64_t *seconds, uint32_t *nanoseconds)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, probe);
	*seconds = archive_entry_mtime(entry);
	*nanoseconds = (uint32_t)archive_entry_mtime_nsec(entry);
	if (takes_fraction_forward && *seconds < 0 && *nanoseconds) {
		*nanoseconds = NANOSECONDS - *nanoseconds;
		--*seconds;
	}
}

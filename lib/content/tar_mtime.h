/*
 * Modification times from archives.
 *
 * libarchive (3.6 for one) takes a pax time before 1970 apart wrongly: -1.25
 * becomes -1 s and 0.25 s forward.  Whether the one that we run with does so is
 * found out once.  (Of -0.25 it drops the sign altogether; that is lost.)
 */
#ifndef DUCC_TAR_MTIME_H
#define DUCC_TAR_MTIME_H

#include <archive_entry.h>
#include <stdint.h>

/* The entry's modification time: seconds since 1970, and nanoseconds forward from there. */
void mtime_get(struct archive_entry *entry, int64_t *seconds, uint32_t *nanoseconds);

#endif

/*
 * Modification times from archives.
 *
 * libarchive (e.g. 3.6) parses pax times before 1970 incorrectly: -1.25 becomes
 * -1 s and 0.25 s forward.  The running version is probed once.  (It drops the
 * sign of -0.25 altogether; that cannot be corrected.)
 */
#ifndef DUCC_TAR_MTIME_H
#define DUCC_TAR_MTIME_H

#include <archive_entry.h>
#include <stdint.h>

/* The entry's modification time: seconds since 1970, and nanoseconds forward from there. */
void mtime_get(struct archive_entry *entry, int64_t *seconds, uint32_t *nanoseconds);

#endif

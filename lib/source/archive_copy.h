/*
 * Access to an archive as a seekable, uncompressed tar.
 *
 * An uncompressed regular file is read in place.  A pipe or compressed file is decompressed
 * once into an unnamed temporary file in $TMPDIR or /var/tmp, which disappears when its
 * descriptor is closed.
 *
 * A compressed archive may expand to 16 MiB, or to 20 times the bytes read so far, whichever is
 * more.
 */
#ifndef DUCC_ARCHIVE_COPY_H
#define DUCC_ARCHIVE_COPY_H

#include "base/error.h"

/* Opens the file or its copy.  Returns a descriptor, or -1 with *err set. */
int archive_copy_file(const char *path, ducc_error **err);

/* The same for standard input, which is always copied. */
int archive_copy_input(ducc_error **err);

/* The name of standard input in messages. */
#define STANDARD_INPUT "standard input"

/* The directory in which copies are made. */
const char *archive_copy_directory(void);

#endif

/*
 * An archive as a tar that can be read from any position.
 *
 * A regular file that is not compressed is read in place.  Anything else, a pipe or a
 * compressed file, is copied once, decompressed, into a file without a name in $TMPDIR or
 * /var/tmp, which vanishes when its descriptor is closed.
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

/* Its name in messages. */
#define STANDARD_INPUT "standard input"

#endif

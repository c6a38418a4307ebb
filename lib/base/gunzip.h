/*
 * Decompression of gzip files (RFC 1952) of one or more members, whose checksums and lengths are
 * verified.  Anything else after a member is an error.
 *
 * ISA-L does it in less than half the time that zlib takes; the Makefile defines HAVE_ISAL if it
 * is installed.
 */
#ifndef DUCC_GUNZIP_H
#define DUCC_GUNZIP_H

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

struct gunzip;

struct gunzip *gunzip_new(void);
void gunzip_free(struct gunzip *gunzip);

/*
 * Decompresses from the *in_len bytes at *in, which it advances, to at most `size` bytes at out.
 * Returns how many bytes it has written: 0 only if it needs more input; or -1 with *err set.
 */
ssize_t gunzip_step(struct gunzip *gunzip, const void **in, size_t *in_len, void *out, size_t size,
		    ducc_error **err);

/* Call it at the end of the input: -1 with *err set if that is within a member. */
int gunzip_end(const struct gunzip *gunzip, ducc_error **err);

#endif

/* Content codings: documents that a server compressed, asked to or not (RFC 9110, 8.4.1). */
#ifndef DUCC_INFLATE_H
#define DUCC_INFLATE_H

#include "base/buffer.h"
#include "base/error.h"

/*
 * Decompresses the body if its Content-Encoding (NULL: none) is gzip; any other is ignored, as
 * other clients do.  More than `limit` bytes are an error.
 */
int inflate_body(struct buffer *body, const char *coding, size_t limit, ducc_error **err);

#endif

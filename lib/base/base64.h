/* base64 (RFC 4648, section 4). */
#ifndef DUCC_BASE64_H
#define DUCC_BASE64_H

#include <stddef.h>

/* The caller frees it. */
char *base64_encode(const void *data, size_t len);
/* Returns NULL if the text is not base64; the caller frees the bytes (NUL-terminated). */
unsigned char *base64_decode(const char *text, size_t *len);

#endif

/*
 * A handle of libcurl, for what depends on its version: that of EL 9, 7.76, has no functions for
 * headers, for the names of protocols, and for certificate authorities in memory.
 */
#ifndef DUCC_LIBCURL_H
#define DUCC_LIBCURL_H

#include <curl/curl.h>

#include <stdbool.h>

#include "base/buffer.h"

struct libcurl {
	CURL *handle;
	/* For old versions: headers of the last response, each with a NUL; a file of authorities. */
	struct buffer headers;
	bool complete;
	int authorities;
};

void libcurl_init(struct libcurl *libcurl);
void libcurl_free(struct libcurl *libcurl);

/* Resets all options, for a request to an http or https URL. */
void libcurl_reset(struct libcurl *libcurl);

/* Sets the certificate authorities to trust, as PEM. */
void libcurl_trust(struct libcurl *libcurl, const struct buffer *authorities);

/* The value of header `i` of that name, counted from 0, or NULL; valid until the next request. */
const char *libcurl_header(struct libcurl *libcurl, const char *name, size_t i);
/* The value of the last header of that name, or NULL. */
const char *libcurl_last_header(struct libcurl *libcurl, const char *name);

#endif

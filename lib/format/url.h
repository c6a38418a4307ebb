/*
 * URLs, as registries hand them out (RFC 3986).  NULL stands for a text that is none;
 * the caller frees what is returned.
 */
#ifndef DUCC_URL_H
#define DUCC_URL_H

#include <stdbool.h>

/* What `reference` means in a document at `base`. */
char *url_resolve(const char *base, const char *reference);

/* True if both have the same scheme, host and port. */
bool url_same_origin(const char *a, const char *b);

/* True if it is one of http or https. */
bool url_is_http(const char *url);

/* HOST[:PORT] */
char *url_authority(const char *url);

/* True if both have the same host and port, where each scheme's own port is the same. */
bool url_same_host(const char *a, const char *b);

/* The path and query of one, with scheme, host and port of the other. */
char *url_moved(const char *url, const char *base);

/* What may be shown of it: a query can hold a signature or a token, user info a password. */
char *url_public(const char *url);

/* The text percent-encoded for a query. */
char *url_escape(const char *text);

#endif

/*
 * URLs from registries (RFC 3986).  Functions return NULL if the text is not a URL; the
 * caller frees returned strings.
 */
#ifndef DUCC_URL_H
#define DUCC_URL_H

#include <stdbool.h>

/* Resolves `reference` relative to `base`; blanks in it are encoded. */
char *url_resolve(const char *base, const char *reference);

/* True if both have the same scheme, host and port. */
bool url_same_origin(const char *a, const char *b);

/* True for an http or https URL. */
bool url_is_http(const char *url);

/* HOST[:PORT] */
char *url_authority(const char *url);

/* True if both have the same host and port; the default ports of all schemes are equal. */
bool url_same_host(const char *a, const char *b);

/* The path and query of `url` with the scheme, host and port of `base`. */
char *url_moved(const char *url, const char *base);

/* The URL without secrets: its query can contain a signature or token, user info a password. */
char *url_public(const char *url);

/*
 * The text, such as a message, without the secrets of URLs in it, which can be relative, malformed,
 * or shortened.
 */
char *url_hide_secrets(const char *text);
/* The same for one URL, which need not be valid: no character in it is its end. */
char *url_hide_own_secrets(const char *url);

/* Percent-encodes text for a query. */
char *url_escape(const char *text);

#endif

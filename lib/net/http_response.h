/*
 * Responses of HTTP servers: their headers, and what their statuses mean.
 */
#ifndef DUCC_HTTP_RESPONSE_H
#define DUCC_HTTP_RESPONSE_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "net/libcurl.h"

struct http_response {
	long status;
	char *url;          /* that has answered, after redirects */
	char *content_type; /* this and the following: NULL if the header is missing */
	char *challenge;    /* WWW-Authenticate; see challenge.h */
	char *digest;       /* Docker-Content-Digest */
	char *location;     /* as an absolute URL */
	char *next;         /* Link to the next page (link.h), as an absolute URL */
	bool bad_link;      /* the Link header was malformed */
	char *rate_limit, *rate_remaining; /* RateLimit-... */
	uint64_t retry_after;              /* seconds; 0: not given */
	bool has_length;                   /* the length of the body was given */
	bool has_end;                      /* so was that, or its end was marked */
	bool wrong_range;                  /* the body did not begin at the request's offset */
	uint64_t received;                 /* bytes of the body received */
	struct buffer body;                /* of an error, or of a request without sink */
};

/* Empties the response, so that it can be used again. */
void http_response_reset(struct http_response *response);
void http_response_free(struct http_response *response);

/* Sets the status and the headers, from the response of that URL. */
void http_response_read(struct http_response *response, struct libcurl *libcurl, const char *url);

/* Sets an error for an unexpected status, with the registry's message if it sent one. */
int http_status_error(const struct http_response *response, ducc_error **err);

/*
 * Fails if the body is a web page, where a registry would send JSON: a proxy has answered, a page to
 * log in, or any other web server.
 */
int http_refuse_page(const struct http_response *response, ducc_error **err);

/*
 * Fails if part of the body may be missing, as a lost connection looks like its end: for formats that do
 * not show where a document ends.
 */
int http_require_whole(const struct http_response *response, ducc_error **err);

/* The meaning of the status, for a message, with a leading ", "; or "". */
const char *http_status_text(long status);

/* True for statuses worth a retry: 408, 425, 429 and most 5xx. */
bool http_status_is_transient(long status);

#endif

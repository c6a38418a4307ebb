/*
 * HTTP requests over libcurl.
 *
 * A client keeps its connections open for the next request; it belongs to one
 * thread at a time.  Redirects of GET and HEAD are followed, never from https to
 * http; credentials are sent to the host of the request only.
 */
#ifndef DUCC_HTTP_H
#define DUCC_HTTP_H

#include <stdint.h>

#include "buffer.h"
#include "error.h"

struct http;

struct http *http_new(void);
void http_free(struct http *http);

struct http_request {
	const char *method; /* NULL: GET */
	const char *url;
	const char *accept;        /* values of headers; NULL: none */
	const char *authorization; /* for the host of the URL alone */
	const char *content_type;
	const char *content_range;
	const void *data; /* the body; NULL: none */
	size_t len;
	/*
	 * Takes the body of a 200 answer, piece by piece; non-zero stops the
	 * transfer, with the reason in *err.  NULL: the body goes to response->body.
	 */
	int (*sink)(void *ctx, const void *data, size_t len, ducc_error **err);
	void *ctx;
	size_t limit; /* most bytes to put into response->body */
};

struct http_response {
	long status;
	char *content_type; /* NULL if the header is missing; so with the next ones */
	char *challenge;    /* WWW-Authenticate: the last Bearer or Basic one */
	char *digest;       /* Docker-Content-Digest */
	char *location;     /* as an absolute URL */
	char *next;         /* Link with rel="next", as an absolute URL */
	uint64_t received;  /* bytes of the body that came */
	struct buffer body; /* of an error, or of a request without sink */
};

/*
 * Returns 0 when an answer came, whatever its status.  Otherwise -1:
 * *transient (may be NULL) tells whether it may go better another time.
 */
int http_perform(struct http *http, const struct http_request *request,
		 struct http_response *response, bool *transient, ducc_error **err);

void http_response_free(struct http_response *response);

/* An error that tells an unexpected status, with the registry's own words if it has some. */
int http_status_error(const struct http_response *response, ducc_error **err);

/* True for statuses that are worth another try: 408, 425, 429 and most 5xx. */
bool http_status_is_transient(long status);

/* True if both URLs have the same scheme, host and port. */
bool http_same_origin(const char *a, const char *b);

/* Path and query of the URL, from its first slash on; the caller frees it.  NULL: not a URL. */
char *http_path(const char *url);

/* The text percent-encoded for a query; the caller frees it. */
char *http_escape(const char *text);

#endif

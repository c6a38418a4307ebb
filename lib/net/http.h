/*
 * HTTP requests over libcurl.
 *
 * A client keeps its connections open for the next request; it belongs to one
 * thread at a time.  Redirects of GET and HEAD are followed, never from https to
 * http; credentials and client certificates are for the host of the request only.
 *
 * $DUCC_TIMEOUT: seconds after which a transfer that hardly moves is broken off.
 */
#ifndef DUCC_HTTP_H
#define DUCC_HTTP_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/context.h"
#include "base/error.h"

struct http;

/* The context stays the caller's. */
struct http *http_new(struct context *context);
void http_free(struct http *http);

/* The one given to http_new(). */
struct context *http_context(const struct http *http);

struct http_request {
	const char *method; /* NULL: GET */
	const char *url;
	bool insecure;             /* any certificate will do for its host */
	const char *accept;        /* values of headers; NULL: none */
	const char *authorization; /* for the host of the URL alone */
	const char *content_type;
	const char *content_range;
	const void *data; /* the body; NULL: none */
	size_t len;
	/*
	 * Takes the body of a 200 or 206 answer, piece by piece; non-zero stops the
	 * transfer, with the reason in *err.  NULL: the body goes to response->body.
	 */
	int (*sink)(void *ctx, const void *data, size_t len, ducc_error **err);
	void *ctx;
	uint64_t offset; /* bytes that the sink has had already, so that the rest will do ... */
	int (*restart)(void *ctx, ducc_error **err); /* ... and how it forgets them */
	uint64_t size; /* bytes that the whole must have; 0: unknown */
	size_t limit;  /* most bytes to put into response->body */
};

struct http_response {
	long status;
	char *content_type; /* NULL if the header is missing; so with the next ones */
	char *challenge;    /* WWW-Authenticate; see challenge.h */
	char *digest;       /* Docker-Content-Digest */
	char *location;     /* as an absolute URL */
	char *next;         /* Link with rel="next", as an absolute URL */
	char *rate_limit, *rate_remaining; /* RateLimit-... */
	uint64_t retry_after;              /* seconds; 0: not said */
	bool has_length;                   /* it was said how long the body is */
	bool wrong_range;                  /* it began elsewhere than at the request's offset */
	uint64_t received;                 /* bytes of the body that came */
	struct buffer body;                /* of an error, or of a request without sink */
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

#endif

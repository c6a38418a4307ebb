/*
 * HTTP requests over libcurl.
 *
 * A client keeps its connections open for later requests; it belongs to one
 * thread at a time.  Redirects of GET and HEAD are followed, never from https to
 * http; credentials and client certificates are sent only to the request's host.
 *
 * $DUCC_TIMEOUT: seconds after which a stalled transfer is aborted.
 */
#ifndef DUCC_HTTP_H
#define DUCC_HTTP_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/context.h"
#include "base/error.h"

struct http;

/* The caller keeps ownership of the context. */
struct http *http_new(struct context *context);
void http_free(struct http *http);

/* The context passed to http_new(). */
struct context *http_context(const struct http *http);

struct http_request {
	const char *method; /* NULL: GET */
	const char *url;
	const char *name;          /* of the content, for messages about retries; or NULL */
	bool insecure;             /* accept any certificate from its host */
	const char *accept;        /* values of headers; NULL: none */
	const char *authorization; /* sent to the URL's origin only */
	const char *content_type;
	const char *content_range;
	const void *data; /* the body; NULL: none */
	size_t len;
	/*
	 * Receives the body of a 200 or 206 response in pieces; returning non-zero aborts
	 * the transfer, with the reason in *err.  NULL: the body goes to response->body.
	 */
	int (*sink)(void *ctx, const void *data, size_t len, ducc_error **err);
	void *ctx;
	uint64_t offset; /* bytes that the sink has already: only the rest is requested ... */
	int (*restart)(void *ctx, ducc_error **err); /* ... and this discards them */
	uint64_t size; /* the required size of the whole in bytes; 0: unknown */
	size_t limit;  /* the maximum size of response->body in bytes */
};

struct http_response {
	long status;
	char *content_type; /* this and the following: NULL if the header is missing */
	char *challenge;    /* WWW-Authenticate; see challenge.h */
	char *digest;       /* Docker-Content-Digest */
	char *location;     /* as an absolute URL */
	char *next;         /* Link to the next page (link.h), as an absolute URL */
	bool bad_link;      /* the Link header was malformed */
	char *rate_limit, *rate_remaining; /* RateLimit-... */
	uint64_t retry_after;              /* seconds; 0: not given */
	bool has_length;                   /* the length of the body was given */
	bool wrong_range;                  /* the body did not begin at the request's offset */
	uint64_t received;                 /* bytes of the body received */
	struct buffer body;                /* of an error, or of a request without sink */
};

/*
 * Returns 0 if a response was received, whatever its status.  Otherwise -1;
 * *transient (may be NULL) is true if a later attempt may succeed.
 */
int http_perform(struct http *http, const struct http_request *request,
		 struct http_response *response, bool *transient, ducc_error **err);

void http_response_free(struct http_response *response);

/* Sets an error for an unexpected status, with the registry's message if it sent one. */
int http_status_error(const struct http_response *response, ducc_error **err);

/* True for statuses worth a retry: 408, 425, 429 and most 5xx. */
bool http_status_is_transient(long status);

#endif

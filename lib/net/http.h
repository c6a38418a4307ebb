/*
 * HTTP requests over libcurl.
 *
 * A client keeps its connections open for later requests; it belongs to one
 * thread at a time.  Redirects of GET and HEAD are followed, never from https to
 * http.  Credentials are sent only to the request's origin, and no longer once another origin has
 * redirected the request, even if back there; a client certificate only to the host that it is for.
 */
#ifndef DUCC_HTTP_H
#define DUCC_HTTP_H

#include <stdint.h>

#include "base/context.h"
#include "net/http_response.h"

struct http;

/* $DUCC_TIMEOUT or its default: the seconds after which a stalled transfer is aborted. */
long http_stall_time(void);

/* The caller keeps ownership of the context. */
struct http *http_new(struct context *context);
void http_free(struct http *http);

/* The context passed to http_new(). */
struct context *http_context(const struct http *http);

/*
 * The seconds that a document may take as a whole, with its pages and retries: ten times $DUCC_TIMEOUT;
 * and how to raise them, for subject_limit().
 */
unsigned http_deadline(const struct http *http);
#define HTTP_DEADLINE "DUCC_TIMEOUT, a tenth of it"

struct http_request {
	const char *method; /* NULL: GET */
	const char *url;
	const char *name;          /* of the content, for messages about retries; or NULL */
	bool insecure;             /* accept any certificate from its host */
	const char *accept;        /* values of headers; NULL: none */
	const char *authorization; /* sent to the URL's origin only */
	const char *content_type;
	const char *content_range;
	const char *cache_control;
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

/*
 * Returns 0 if a response was received, whatever its status.  Otherwise -1;
 * *transient (may be NULL) is true if a later attempt may succeed.
 */
int http_perform(struct http *http, const struct http_request *request,
		 struct http_response *response, bool *transient, ducc_error **err);

#endif

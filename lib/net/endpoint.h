/*
 * An endpoint: the base URL of a repository at a registry or mirror.  Requests to it
 * are authenticated on demand and retried after transient errors, with exponential
 * backoff and jitter, or the delay that the registry requests.
 *
 * One struct endpoint serves several threads, each with its own http client.
 */
#ifndef DUCC_ENDPOINT_H
#define DUCC_ENDPOINT_H

#include "format/reference.h"
#include "net/auth.h"
#include "net/http.h"

struct endpoint {
	char *base; /* SCHEME://HOST[:PORT]/v2/REPOSITORY */
	bool insecure;
	struct auth *auth; /* NULL: anonymous */
};

/* The base URL with the formatted suffix; the caller frees it. */
char *endpoint_url(const struct endpoint *endpoint, const char *fmt, ...) PRINTF(2, 3);

/*
 * Performs a request that must return a 2xx status, or, if missing is not NULL, 404,
 * which sets *missing.  Sets the members authorization and insecure of the request.
 */
int endpoint_request(struct endpoint *endpoint, struct http *http, struct http_request *request,
		     struct http_response *response, bool *missing, ducc_error **err);

/* The same without retries: for requests that cannot be repeated on their own. */
int endpoint_request_once(struct endpoint *endpoint, struct http *http,
			  struct http_request *request, struct http_response *response,
			  ducc_error **err);

/*
 * The same for a request with sink, restart and size; the sink has received *position bytes.
 * Resumes an interrupted response, as long as each attempt makes progress.  *status is that
 * of the last response, 0 without one.
 */
int endpoint_download(struct endpoint *endpoint, struct http *http, struct http_request *request,
		      const uint64_t *position, long *status, ducc_error **err);

/*
 * Call after failed attempt number `attempt`, from 1: waits and returns true if another
 * attempt should follow, otherwise false.  Retry-After is read from the response, which is
 * NULL, or has status 0, if none was received.
 */
bool endpoint_pause(struct http *http, const struct http_response *response, unsigned attempt,
		    const ducc_error *why);

#endif

/*
 * A place that answers for a repository, and one request to it: with the
 * credentials it wants, and again after transient trouble, with pauses that grow
 * and differ, or that the registry asks for.
 *
 * One struct endpoint serves several threads, each with an http client of its own.
 */
#ifndef DUCC_ENDPOINT_H
#define DUCC_ENDPOINT_H

#include "format/reference.h"
#include "net/auth.h"
#include "net/http.h"

struct endpoint {
	char *base; /* SCHEME://HOST[:PORT]/v2/REPOSITORY */
	bool insecure;
	struct auth *auth; /* NULL: without credentials */
};

/* base and what is beneath it; the caller frees it. */
char *endpoint_url(const struct endpoint *endpoint, const char *fmt, ...) PRINTF(2, 3);

/*
 * Performs a request that must end with a 2xx status; with missing, also with 404,
 * which *missing tells.  The request's authorization and insecure are set here.
 */
int endpoint_request(struct endpoint *endpoint, struct http *http, struct http_request *request,
		     struct http_response *response, bool *missing, ducc_error **err);

/* The same without another try after trouble: for requests whose like makes no sense alone. */
int endpoint_request_once(struct endpoint *endpoint, struct http *http,
			  struct http_request *request, struct http_response *response,
			  ducc_error **err);

/*
 * The same for a request with sink, restart and size; the sink has had *position bytes.
 * Goes on where a broken answer has ended, as often as it gets ahead.  *status is the last
 * answer's, 0 if there was none.
 */
int endpoint_download(struct endpoint *endpoint, struct http *http, struct http_request *request,
		      const uint64_t *position, long *status, ducc_error **err);

/*
 * After the failed try `attempt`, from 1: waits before the next one and returns true, or
 * false if there should be none.  The response tells what the registry thinks; it is
 * NULL, or its status 0, if there was no answer.
 */
bool endpoint_pause(struct http *http, const struct http_response *response, unsigned attempt,
		    const ducc_error *why);

#endif

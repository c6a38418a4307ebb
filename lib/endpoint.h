/*
 * A place that answers for a repository, and one request to it: with the
 * credentials it wants, and again after transient trouble.
 *
 * One struct endpoint serves several threads, each with an http client of its own.
 */
#ifndef DUCC_ENDPOINT_H
#define DUCC_ENDPOINT_H

#include "auth.h"
#include "http.h"
#include "reference.h"

struct endpoint {
	char *base; /* SCHEME://HOST[:PORT]/v2/REPOSITORY */
	struct auth *auth;
};

#define ENDPOINT_TRIES 4u /* in all, for what is worth it */

int endpoint_init(struct endpoint *endpoint, const struct reference *reference,
		  enum registry_access access, const char *user, const char *password,
		  ducc_error **err);
void endpoint_end(struct endpoint *endpoint);

/* base and what is beneath it; the caller frees it. */
char *endpoint_url(const struct endpoint *endpoint, const char *fmt, ...) PRINTF(2, 3);

/*
 * Performs a request that must end with a 2xx status; with missing, also with 404,
 * which *missing tells.  Up to `tries` times; restart, if any, is called before each.
 * The request's authorization is set here.
 */
int endpoint_request(struct endpoint *endpoint, struct http *http, struct http_request *request,
		     struct http_response *response, int (*restart)(void *ctx, ducc_error **err),
		     unsigned tries, bool *missing, ducc_error **err);

/* Waits as long as it should between the try `attempt`, from 1, and the next. */
void endpoint_pause(unsigned attempt);

#endif

/* A place that answers for a repository: see endpoint.h. */
#include "endpoint.h"

#include <time.h>

#include "mem.h"

#define FIRST_PAUSE 250 /* milliseconds; doubles with each try */

int endpoint_init(struct endpoint *endpoint, const struct reference *reference,
		  enum registry_access access, const char *user, const char *password,
		  ducc_error **err)
{
	endpoint->auth = auth_new(reference, access, user, password, err);
	if (!endpoint->auth)
		return -1;
	endpoint->base = format("%s://%s/v2/%s", reference->scheme, reference->registry,
				reference->repository);
	return 0;
}

void endpoint_end(struct endpoint *endpoint)
{
	auth_free(endpoint->auth);
	free(endpoint->base);
}

char *endpoint_url(const struct endpoint *endpoint, const char *fmt, ...)
{
	struct buffer url = {0};
	va_list args;

	buffer_adds(&url, endpoint->base);
	va_start(args, fmt);
	buffer_vaddf(&url, fmt, args);
	va_end(args);
	return buffer_steal(&url);
}

void endpoint_pause(unsigned attempt)
{
	long ms = FIRST_PAUSE << (attempt - 1);
	struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&wait, NULL);
}

int endpoint_request(struct endpoint *endpoint, struct http *http, struct http_request *request,
		     struct http_response *response, int (*restart)(void *ctx, ducc_error **err),
		     unsigned tries, bool *missing, ducc_error **err)
{
	unsigned attempt = 0, challenges = 0;

	for (;;) {
		AUTO_FREE char *header = NULL;
		ducc_error *error = NULL;
		bool transient = false;
		unsigned generation;
		int answer;

		if (restart && restart(request->ctx, err) < 0)
			return -1;
		header = auth_header(endpoint->auth, &generation);
		request->authorization = header;
		answer = http_perform(http, request, response, &transient, &error);
		request->authorization = NULL;
		if (!answer && response->status / 100 == 2)
			return 0;
		if (!answer && response->status == 404 && missing) {
			*missing = true;
			return 0;
		}
		if (!answer && response->status == 401 && challenges++ < 2) {
			answer = auth_challenge(endpoint->auth, http, response->challenge,
						generation, err);
			if (answer > 0)
				continue;
			if (answer < 0)
				return -1;
		}
		if (!error) {
			transient = http_status_is_transient(response->status);
			http_status_error(response, &error);
		}
		if (!transient || ++attempt >= tries) {
			if (err && !*err)
				*err = error;
			else
				ducc_error_free(error);
			return -1;
		}
		ducc_error_free(error);
		endpoint_pause(attempt);
	}
}

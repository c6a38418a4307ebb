/* Requests to a repository: see endpoint.h. */
#include "net/endpoint.h"

#include <inttypes.h>
#include <sys/random.h>

#include "base/mem.h"
#include "format/url.h"
#include "net/challenge.h"

#define TRIES 5u
#define FIRST_PAUSE 250          /* milliseconds; doubles with each attempt */
#define PATIENCE 60              /* seconds of pauses while a registry is too busy */
#define LONGEST_WAIT 300         /* seconds; the longest accepted Retry-After */
#define MUCH ((uint64_t)1 << 20) /* bytes that count as progress in any download */

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

/* A random pause from half of `ms` to all of it: spreads out clients that failed together. */
static uint64_t jitter(uint64_t ms)
{
	uint32_t random;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return ms;
	return ms / 2 + random % (ms / 2 + 1);
}

/* $DUCC_PATIENCE, or the default. */
static uint64_t patience(void)
{
	const char *text = getenv("DUCC_PATIENCE");
	long seconds = text ? atol(text) : 0;

	return seconds < 1 || seconds > LONGEST_WAIT ? PATIENCE : (uint64_t)seconds;
}

/* The first pause in milliseconds: all of them together take the patience, 1 + 2 + 4 + ... parts. */
static uint64_t first_pause(const struct http_response *response)
{
	bool busy = response && (response->status == 429 || response->status == 503);

	return busy ? patience() * 1000 / ((1u << (TRIES - 1)) - 1) : FIRST_PAUSE;
}

bool endpoint_pause(struct http *http, const struct http_response *response, unsigned attempt,
		    const ducc_error *why)
{
	uint64_t ms, asked = response ? response->retry_after : 0;

	if (attempt >= TRIES || asked > LONGEST_WAIT)
		return false;
	ms = jitter((asked ? FIRST_PAUSE : first_pause(response)) << (attempt - 1));
	if (ms < asked * 1000)
		ms = asked * 1000 + jitter(FIRST_PAUSE);
	context_notice(http_context(http), DUCC_INFO,
		       "%s; trying again in %" PRIu64 ".%" PRIu64 " s (%u of %u)",
		       ducc_error_message(why), ms / 1000, ms % 1000 / 100, attempt, TRIES - 1);
	return context_wait(http_context(http), ms);
}

static void header_cleanup(char **header)
{
	secret_free(*header);
}

/* Requests /v2/, which sends a challenge if the registry has any; returns as auth_challenge(). */
static int ask_for_challenge(struct endpoint *endpoint, struct http *http, unsigned generation,
			     bool *transient, ducc_error **err)
{
	AUTO_FREE char *url = url_resolve(endpoint->base, "/v2/");
	struct http_request request = {.url = url, .insecure = endpoint->insecure};
	struct http_response response = {0};
	int result = 0;

	if (!http_perform(http, &request, &response, NULL, NULL) && response.status == 401 &&
	    response.challenge)
		result = auth_challenge(endpoint->auth, http, response.challenge, generation,
					transient, err);
	http_response_free(&response);
	return result;
}

/*
 * Responds to the refusal of a request, which was number `tries`; returns as auth_challenge().
 * A registry may refuse a token and offer Basic authentication instead.
 */
static int respond(struct endpoint *endpoint, struct http *http,
		   const struct http_response *response, unsigned tries, unsigned generation,
		   bool *transient, ducc_error **err)
{
	long status = response->status;

	if (!endpoint->auth)
		return 0;
	if (status == 401 && response->challenge)
		return tries == 1 || (tries == 2 &&
				      !challenge_offers(response->challenge, "Bearer"))
			       ? auth_challenge(endpoint->auth, http, response->challenge,
						generation, transient, err)
			       : 0;
	if ((status == 401 || status == 403 || status == 404) && auth_may_ask(endpoint->auth))
		return ask_for_challenge(endpoint, http, generation, transient, err);
	return 0;
}

/* Sends the request with the credentials that are known; *generation is theirs. */
static int perform(struct endpoint *endpoint, struct http *http, struct http_request *request,
		   struct http_response *response, unsigned *generation, bool *transient,
		   ducc_error **err)
{
	CLEANUP(header_cleanup)
	char *header = endpoint->auth ? auth_header(endpoint->auth, http, generation) : NULL;
	int result;

	request->authorization = header;
	result = http_perform(http, request, response, transient, err);
	request->authorization = NULL;
	return result;
}

/* A file of this machine, or a token server, that does not exist says nothing about what is requested. */
static int unanswered(ducc_error **err)
{
	if (err && ducc_error_kind(*err) == DUCC_NOT_FOUND)
		error_reclassify(err, DUCC_OTHER);
	return -1;
}

/*
 * One attempt: the request, repeated with credentials if they are required.  An error is of the
 * kind DUCC_NOT_FOUND only if that is the response to the request itself.
 */
static int try(struct endpoint *endpoint, struct http *http, struct http_request *request,
	       struct http_response *response, bool *transient, ducc_error **err)
{
	int again = 1;

	request->insecure = endpoint->insecure;
	for (unsigned tries = 1; again; tries++) {
		unsigned generation = 0;

		if (perform(endpoint, http, request, response, &generation, transient, err) < 0)
			return unanswered(err);
		again = respond(endpoint, http, response, tries, generation, transient, err);
		if (again < 0)
			return unanswered(err);
	}
	if (response->rate_remaining)
		context_notice(http_context(http), DUCC_INFO, "rate limit: %s, remaining %s",
			       response->rate_limit ? response->rate_limit : "unknown",
			       response->rate_remaining);
	if (response->status / 100 == 2)
		return 0;
	*transient = http_status_is_transient(response->status);
	http_status_error(response, err);
	return endpoint->auth && (response->status == 401 || response->status == 403)
		       ? auth_explain(endpoint->auth, err)
		       : -1;
}

int endpoint_request_once(struct endpoint *endpoint, struct http *http,
			  struct http_request *request, struct http_response *response,
			  ducc_error **err)
{
	bool transient = false;

	return try(endpoint, http, request, response, &transient, err);
}

/* Gives the error of the last attempt, and if no time is left for others, says so. */
static int give_up(struct http *http, bool transient, ducc_error *error, ducc_error **err)
{
	ducc_error *late = NULL;

	if (transient && context_check(http_context(http), &late) < 0 &&
	    ducc_error_kind(late) == DUCC_LIMIT)
		error_wrap(&error, "%s", ducc_error_message(late));
	ducc_error_free(late);
	error_give(err, error);
	return -1;
}

int endpoint_request(struct endpoint *endpoint, struct http *http, struct http_request *request,
		     struct http_response *response, bool *missing, ducc_error **err)
{
	for (unsigned attempt = 1;; attempt++) {
		ducc_error *error = NULL;
		bool transient = false;

		if (!try(endpoint, http, request, response, &transient, &error))
			return 0;
		if (missing && response->status == 404) {
			ducc_error_free(error);
			*missing = true;
			return 0;
		}
		if (!transient || !endpoint_pause(http, response, attempt, error))
			return give_up(http, transient, error, err);
		ducc_error_free(error);
	}
}

/* Bytes of progress that reset the count of attempts; the total number stays small. */
static uint64_t progress_that_counts(uint64_t size)
{
	return size / 16 < MUCH ? size / 16 + 1 : MUCH;
}

/* Also names the content: several may be downloaded at once. */
static bool pause_download(struct http *http, const struct http_request *request,
			   const struct http_response *response, unsigned attempt,
			   const ducc_error *why)
{
	ducc_error *named = error_copy(why);
	bool again;

	if (request->name)
		error_wrap(&named, "%s", request->name);
	again = endpoint_pause(http, response, attempt, named);
	ducc_error_free(named);
	return again;
}

int endpoint_download(struct endpoint *endpoint, struct http *http, struct http_request *request,
		      const uint64_t *position, long *status, ducc_error **err)
{
	struct http_response response = {0};
	bool ranges = true; /* the registry supports ranges */
	uint64_t best = *position;
	int result = 0;

	for (unsigned attempt = 1; *position < request->size; attempt++) {
		ducc_error *error = NULL;
		bool transient = false;
		if (!ranges && request->restart(request->ctx, err) < 0) {
			result = -1;
			break;
		}
		request->offset = *position;
		if (!try(endpoint, http, request, &response, &transient, &error)) {
			/* Without a Content-Length, a lost connection looks like success. */
			if (response.has_length || *position >= request->size)
				break;
			transient = true;
			error_set(&error, "response ended after %" PRIu64 " of %" PRIu64 " bytes",
				  *position, request->size);
		}
		if (response.wrong_range || response.status == 416) {
			transient = ranges;
			ranges = false;
		}
		if (*position >= best + progress_that_counts(request->size)) {
			best = *position;
			attempt = 1;
		}
		if (transient && pause_download(http, request, &response, attempt, error)) {
			ducc_error_free(error);
			continue;
		}
		error_give(err, error);
		result = -1;
		break;
	}
	*status = response.status;
	http_response_free(&response);
	return result;
}

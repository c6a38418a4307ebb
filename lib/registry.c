/* A repository of a registry: see registry.h. */
#include "registry.h"

#include <errno.h>
#include <time.h>

#include "auth.h"
#include "blob.h"
#include "mem.h"

#define TRIES 4u
#define FIRST_PAUSE 250 /* milliseconds; doubles with each try */

struct registry {
	char *base; /* SCHEME://REGISTRY/v2/REPOSITORY */
	struct auth *auth;
};

struct registry *registry_new(const struct reference *reference, ducc_error **err)
{
	struct auth *auth = auth_new(reference, err);
	struct registry *registry;

	if (!auth)
		return NULL;
	registry = xcalloc(1, sizeof(*registry));
	registry->auth = auth;
	registry->base = format("%s://%s/v2/%s", reference->scheme, reference->registry,
				reference->repository);
	return registry;
}

void registry_free(struct registry *registry)
{
	if (!registry)
		return;
	auth_free(registry->auth);
	free(registry->base);
	free(registry);
}

static void pause_before_try(unsigned attempt)
{
	long ms = FIRST_PAUSE << attempt;
	struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&wait, NULL);
}

/*
 * Performs a request that must end with 200: with credentials where the registry
 * wants some, and again after transient trouble, up to `tries` times in all.  restart, if any, is called
 * before each try.
 */
static int perform(struct registry *registry, struct http *http, struct http_request *request,
		   struct http_response *response, int (*restart)(void *ctx, ducc_error **err),
		   unsigned tries, ducc_error **err)
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
		header = auth_header(registry->auth, &generation);
		request->authorization = header;
		answer = http_perform(http, request, response, &transient, &error);
		if (!answer && response->status == 200)
			return 0;
		if (!answer && response->status == 401 && challenges++ < 2) {
			answer = auth_challenge(registry->auth, http, response->challenge,
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
		pause_before_try(attempt - 1);
	}
}

int registry_head_manifest(struct registry *registry, struct http *http, const char *name,
			   struct digest *digest, ducc_error **err)
{
	AUTO_FREE char *url = format("%s/manifests/%s", registry->base, name);
	struct http_request request = {.url = url, .head = true, .accept = image_accept};
	struct http_response response = {0};
	int result = perform(registry, http, &request, &response, NULL, 1, err);

	if (!result)
		result = response.digest && digest_parse(digest, response.digest);
	http_response_free(&response);
	return result < 0 ? error_wrap(err, "manifest") : result;
}

int registry_get_manifest(struct registry *registry, struct http *http, const char *name,
			  const struct digest *expected, char **data, size_t *len, ducc_error **err)
{
	AUTO_FREE char *url = format("%s/manifests/%s", registry->base, name);
	struct http_request request = {.url = url, .accept = image_accept, .limit = JSON_LIMIT};
	struct http_response response = {0};
	int result = perform(registry, http, &request, &response, NULL, TRIES, err);

	if (!result) {
		struct digest actual = digest_of(response.body.data, response.body.len);

		if (expected && !digest_equal(&actual, expected)) {
			result = error_set(
				err, "digest mismatch: asked for " PRI_DIGEST ", got " PRI_DIGEST,
				expected->hex, actual.hex);
		} else {
			*len = response.body.len;
			*data = buffer_steal(&response.body);
		}
	}
	http_response_free(&response);
	return result < 0 ? error_wrap(err, "manifest") : 0;
}

static int on_restart(void *ctx, ducc_error **err)
{
	return blob_restart(ctx, err);
}

static int on_data(void *ctx, const void *data, size_t len, ducc_error **err)
{
	return blob_write(ctx, data, len, err);
}

int registry_get_blob(struct registry *registry, struct http *http, struct blob *blob,
		      ducc_error **err)
{
	AUTO_FREE char *url =
		format("%s/blobs/" PRI_DIGEST, registry->base, blob->descriptor->digest.hex);
	struct http_request request = {.url = url, .sink = on_data, .ctx = blob};
	struct http_response response = {0};
	int result = perform(registry, http, &request, &response, on_restart, TRIES, err);

	http_response_free(&response);
	return result < 0 ? -1 : blob_verify(blob, err);
}

/* A repository of a registry, pulling: see registry.h. */
#include "net/registry.h"

#include <inttypes.h>
#include <stdatomic.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "format/url.h"
#include "net/endpoint.h"
#include "net/mirrors.h"
#include "net/own_registries.h"

struct candidate {
	struct endpoint endpoint;
	struct endpoint plain; /* the same without TLS, if permitted; base NULL: TLS required */
	_Atomic(struct endpoint *) found; /* the one in use; NULL: not known yet */
	bool digests_only;
	atomic_bool failed; /* for a reason other than missing content */
	atomic_bool warned; /* of that */
};

struct registry {
	struct candidate *places; /* in the order to try; the last is the registry itself */
	size_t n;
};

static void endpoint_init(struct endpoint *endpoint, const struct reference *reference,
			  bool insecure, const struct login *login, struct keyring *keyring)
{
	endpoint->base = format("%s://%s/v2/%s", reference->scheme, reference->registry,
				reference->repository);
	endpoint->auth = auth_new(reference, login, keyring);
	endpoint->insecure = insecure;
}

static void candidate_init(struct candidate *candidate, const struct place *place,
			   const struct login *login, struct keyring *keyring)
{
	struct reference plain = place->reference;

	endpoint_init(&candidate->endpoint, &place->reference, place->insecure, login, keyring);
	candidate->digests_only = place->digests_only;
	if (!place->insecure || !strcmp(plain.scheme, "http"))
		return;
	plain.scheme = (char[]){"http"};
	endpoint_init(&candidate->plain, &plain, true, login, keyring);
}

struct registry *registry_open(const struct reference *reference, const struct login *login,
			       struct keyring *keyring, const struct mirrors *mirrors,
			       ducc_error **err)
{
	struct registry *registry;
	struct place *places;
	size_t n;

	if (mirrors_find(mirrors, reference, login->push, &places, &n, err) < 0)
		return NULL;
	registry = xcalloc(1, sizeof(*registry));
	registry->places = xcalloc(n, sizeof(*registry->places));
	registry->n = n;
	for (size_t i = 0; i < n; i++) {
		const struct login of_proxy = {.push = login->push,
					       .user = places[i].user,
					       .password = places[i].password,
					       .origin = OWN_REGISTRIES};

		candidate_init(&registry->places[i], &places[i],
			       places[i].user && places[i].password ? &of_proxy : login, keyring);
	}
	places_free(places, n);
	return registry;
}

void registry_free(struct registry *registry)
{
	if (!registry)
		return;
	for (size_t i = 0; i < registry->n; i++) {
		auth_free(registry->places[i].endpoint.auth);
		free(registry->places[i].endpoint.base);
		auth_free(registry->places[i].plain.auth);
		free(registry->places[i].plain.base);
	}
	free(registry->places);
	free(registry);
}

void registry_learn(struct registry *registry, struct registry *other)
{
	for (size_t i = 0; i < registry->n && i < other->n; i++)
		if (url_same_origin(registry->places[i].endpoint.base,
				    other->places[i].endpoint.base))
			auth_learn(registry->places[i].endpoint.auth,
				   other->places[i].endpoint.auth);
}

/* The status of GET /v2/, which identifies a registry; 0: no response. */
static long ask_version(const struct endpoint *endpoint, struct http *http)
{
	AUTO_FREE char *url = url_resolve(endpoint->base, "/v2/");
	struct http_request request = {.url = url, .insecure = endpoint->insecure};
	struct http_response response = {0};
	long status;

	http_perform(http, &request, &response, NULL, NULL);
	status = response.status;
	http_response_free(&response);
	return status;
}

/*
 * An insecure place is tried with TLS first, and used without TLS only if a registry responds
 * without TLS but none with it.  While neither responds, the choice stays open.
 */
static struct endpoint *settle(struct candidate *place, struct http *http)
{
	long status;

	if (place->found || !place->plain.base)
		return place->found ? place->found : &place->endpoint;
	status = ask_version(&place->endpoint, http);
	if (status == 200 || status == 401 || status == 403 || status == 429) {
		place->found = &place->endpoint;
		return &place->endpoint;
	}
	status = ask_version(&place->plain, http);
	if (status != 200 && status != 401)
		return &place->endpoint;
	context_notice(http_context(http), DUCC_INFO, "%s: connecting without TLS",
		       place->plain.base);
	place->found = &place->plain;
	return &place->plain;
}

struct endpoint *registry_home(struct registry *registry, struct http *http)
{
	return settle(&registry->places[registry->n - 1], http);
}

/* --- trying mirrors in turn ------------------------------------------- */

struct task {
	struct http *http;
	bool by_tag; /* the request resolves a tag */
	bool once;   /* there are no retries, so a failure means little */
	/* Performs the request at one place; *missing: it responds, but lacks the content. */
	int (*ask)(struct task *task, struct endpoint *endpoint, bool *missing, ducc_error **err);
	void *ctx;
};

/*
 * Gives the registry's error to the caller.  If that failed for another reason than that it lacks
 * the content, mirrors that do are named, too.
 */
static int add_mirrors(const struct buffer *lacking, ducc_error *error, ducc_error **err)
{
	if (lacking->len && ducc_error_kind(error) != DUCC_NOT_FOUND)
		error_wrap(&error, "%sthe registry", lacking->data);
	return error_give(err, error);
}

static int ask_all(struct registry *registry, struct task *task, ducc_error **err)
{
	AUTO_BUFFER lacking = {0}; /* the errors of mirrors */

	for (size_t i = 0; i < registry->n; i++) {
		struct candidate *place = &registry->places[i];
		bool last = i + 1 == registry->n, missing = false, warn;
		struct endpoint *endpoint;
		ducc_error *error = NULL;
		int result;

		if (!last && (place->failed || (task->by_tag && place->digests_only)))
			continue;
		endpoint = settle(place, task->http);
		result = task->ask(task, endpoint, &missing, &error);
		if (result >= 0)
			return result;
		if (last)
			return add_mirrors(&lacking, error, err);
		if (!missing && !task->once)
			place->failed = true;
		warn = !missing && !atomic_exchange(&place->warned, true);
		error_wrap(&error, "mirror %s", endpoint->base);
		context_notice(http_context(task->http), warn ? DUCC_WARNING : DUCC_INFO, "%s",
			       ducc_error_message(error));
		if (missing)
			buffer_addf(&lacking, "%s; ", ducc_error_message(error));
		ducc_error_free(error);
	}
	return -1;
}

/* --- manifests -------------------------------------------------------- */

struct manifest_task {
	const char *name;
	const struct digest *expected; /* NULL: any */
	struct digest digest;
	bool missing; /* at the last place */
	char *data;
	size_t len;
};

static int ask_head(struct task *task, struct endpoint *endpoint, bool *missing, ducc_error **err)
{
	struct manifest_task *manifest = task->ctx;
	AUTO_FREE char *url = endpoint_url(endpoint, "/manifests/%s", manifest->name);
	struct http_request request = {.method = "HEAD", .url = url, .accept = image_accept};
	struct http_response response = {0};
	int result = endpoint_request_once(endpoint, task->http, &request, &response, err);

	*missing = manifest->missing = response.status == 404;
	if (!result)
		result = response.digest && digest_parse(&manifest->digest, response.digest);
	http_response_free(&response);
	return result;
}

int registry_head_manifest(struct registry *registry, struct http *http, const char *name,
			   struct digest *digest)
{
	struct manifest_task manifest = {.name = name};
	struct task task = {.http = http,
			    .by_tag = !strchr(name, ':'),
			    .once = true,
			    .ask = ask_head,
			    .ctx = &manifest};
	bool known = ask_all(registry, &task, NULL) > 0;

	if (known)
		*digest = manifest.digest;
	return known ? 1 : manifest.missing ? 0 : -1;
}

/* Checks that it is no web page, and the content against the requested digest and the one that the registry reports. */
static int check_digest(const struct manifest_task *manifest, const struct http_response *response,
			ducc_error **err)
{
	struct digest actual = digest_of(response->body.data, response->body.len), said;

	if (http_refuse_page(response, err) < 0)
		return -1;
	if (manifest->expected && !digest_equal(&actual, manifest->expected))
		return error_set_kind(err, DUCC_CORRUPT,
				      "digest mismatch: requested " PRI_DIGEST ", got " PRI_DIGEST,
				      manifest->expected->hex, actual.hex);
	if (response->digest && digest_parse(&said, response->digest) &&
	    !digest_equal(&actual, &said))
		return error_set(err,
				 "digest mismatch: registry reports " PRI_DIGEST
				 ", content is " PRI_DIGEST,
				 said.hex, actual.hex);
	return 0;
}

static int ask_manifest(struct task *task, struct endpoint *endpoint, bool *missing,
			ducc_error **err)
{
	struct manifest_task *manifest = task->ctx;
	AUTO_FREE char *url = endpoint_url(endpoint, "/manifests/%s", manifest->name);
	struct http_request request = {.url = url, .accept = image_accept, .limit = JSON_LIMIT};
	struct http_response response = {0};
	ducc_error *error = NULL;
	int result = endpoint_request(endpoint, task->http, &request, &response, NULL, err);

	*missing = response.status == 404;
	/* One retry, as for blobs. */
	if (!result && check_digest(manifest, &response, &error) < 0) {
		context_notice(http_context(task->http), DUCC_INFO, "%s; retrying",
			       ducc_error_message(error));
		ducc_error_free(error);
		result = endpoint_request(endpoint, task->http, &request, &response, NULL, err);
		if (!result)
			result = check_digest(manifest, &response, err);
	}
	if (!result) {
		manifest->len = response.body.len;
		manifest->data = buffer_steal(&response.body);
	}
	http_response_free(&response);
	return result;
}

int registry_get_manifest(struct registry *registry, struct http *http, const char *name,
			  const struct digest *expected, char **data, size_t *len, ducc_error **err)
{
	struct manifest_task manifest = {.name = name, .expected = expected};
	struct task task = {
		.http = http, .by_tag = !strchr(name, ':'), .ask = ask_manifest, .ctx = &manifest};

	if (ask_all(registry, &task, err) < 0)
		return error_wrap(err, "manifest");
	*data = manifest.data;
	*len = manifest.len;
	return 0;
}

/* --- blobs ------------------------------------------------------------ */

static int on_restart(void *ctx, ducc_error **err)
{
	return blob_restart(ctx, err);
}

static int on_data(void *ctx, const void *data, size_t len, ducc_error **err)
{
	return blob_write(ctx, data, len, err);
}

static int download(struct endpoint *endpoint, struct http *http, const char *url,
		    struct blob *blob, long *status, ducc_error **err)
{
	AUTO_FREE char *name = format(PRI_DIGEST, blob->descriptor->digest.hex);
	struct http_request request = {.url = url,
				       .name = name,
				       .sink = on_data,
				       .restart = on_restart,
				       .ctx = blob,
				       .size = blob->descriptor->size};

	if (endpoint_download(endpoint, http, &request, &blob->done, status, err) < 0)
		return -1;
	return blob_verify(blob, err);
}

/* Retries once: data corrupted in transit is unlikely to be corrupted again. */
static int download_right(struct endpoint *endpoint, struct http *http, const char *url,
			  struct blob *blob, long *status, ducc_error **err)
{
	ducc_error *error = NULL;

	if (!download(endpoint, http, url, blob, status, &error))
		return 0;
	if (!blob->wrong && ducc_error_kind(error) != DUCC_CORRUPT)
		return error_give(err, error);
	context_notice(http_context(http), DUCC_INFO, PRI_DIGEST ": %s; retrying",
		       blob->descriptor->digest.hex, ducc_error_message(error));
	ducc_error_free(error);
	if (blob->wrong && blob_restart(blob, err) < 0)
		return -1;
	return download(endpoint, http, url, blob, status, err);
}

static int ask_blob(struct task *task, struct endpoint *endpoint, bool *missing, ducc_error **err)
{
	struct blob *blob = task->ctx;
	AUTO_FREE char *url =
		endpoint_url(endpoint, "/blobs/" PRI_DIGEST, blob->descriptor->digest.hex);
	long status = 0;
	int result;

	if (blob->wrong && blob_restart(blob, err) < 0) /* discard another place's data */
		return -1;
	result = download_right(endpoint, task->http, url, blob, &status, err);
	*missing = status == 404;
	return result;
}

/* Downloads from the URL in the manifest: without mirrors or credentials. */
static int get_foreign(struct http *http, struct blob *blob, ducc_error **err)
{
	struct endpoint stranger = {NULL};
	const char *url = blob->descriptor->url;
	long status;

	if (!url_is_http(url))
		return error_set(err, "layer URL is not http or https");
	return download_right(&stranger, http, url, blob, &status, err);
}

int registry_get_blob(struct registry *registry, struct http *http, struct blob *blob,
		      ducc_error **err)
{
	struct task task = {.http = http, .ask = ask_blob, .ctx = blob};
	ducc_error *error = NULL;

	if (blob->descriptor->url && layer_is_foreign(blob->descriptor)) {
		if (!get_foreign(http, blob, &error))
			return 0;
		context_notice(http_context(http), DUCC_INFO, "%s; trying the registry",
			       ducc_error_message(error));
		ducc_error_free(error);
	}
	return ask_all(registry, &task, err);
}

/* A repository of a registry, pushing: see registry.h. */
#include "base/mem.h"
#include "format/url.h"
#include "net/endpoint.h"
#include "net/registry.h"

#define OCTETS "application/octet-stream"

int registry_has_blob(struct registry *registry, struct http *http, const struct digest *digest,
		      ducc_error **err)
{
	struct endpoint *home = registry_home(registry, http);
	AUTO_FREE char *url = endpoint_url(home, "/blobs/" PRI_DIGEST, digest->hex);
	struct http_request request = {.method = "HEAD", .url = url};
	struct http_response response = {0};
	bool missing = false;
	int result = endpoint_request(home, http, &request, &response, &missing, err);

	http_response_free(&response);
	return result < 0 ? -1 : !missing;
}

struct upload {
	struct endpoint *home;
	struct http *http;
	const void *data;
	size_t len;
	const struct digest *digest;
	struct http_response response;
	char *location; /* URL of the next request */
};

/*
 * The response to each request of an upload gives the URL of the next one, which must not
 * take the credentials to another host.  Registries behind a proxy, though, often report the
 * wrong scheme, unaware that https is used.  1: the upload is complete.
 */
static int follow(struct upload *upload, ducc_error **err)
{
	const char *location = upload->response.location, *home = upload->home->base;

	free(STEAL(upload->location));
	if (upload->response.status == 201)
		return 1;
	if (!location)
		return error_set(err, "registry sent no upload location");
	if (url_same_origin(location, home))
		upload->location = xstrdup(location);
	else if (url_same_host(location, home) && url_is_http(location))
		upload->location = url_moved(location, home);
	return upload->location ? 0
				: error_set(err, "registry redirects the upload to another host");
}

static int step(struct upload *upload, struct http_request *request, ducc_error **err)
{
	if (endpoint_request_once(upload->home, upload->http, request, &upload->response, err) < 0)
		return -1;
	return follow(upload, err);
}

/* Opens an upload: 0, or 1 if the blob was mounted and nothing remains to send. */
static int begin(struct upload *upload, const char *mount_from, ducc_error **err)
{
	AUTO_FREE char *from = mount_from ? url_escape(mount_from) : NULL;
	AUTO_FREE char *query =
		from ? format("?mount=" PRI_DIGEST "&from=%s", upload->digest->hex, from) : NULL;
	AUTO_FREE char *url = endpoint_url(upload->home, "/blobs/uploads/%s", query ? query : "");
	struct http_request request = {.method = "POST", .url = url};

	if (endpoint_request(upload->home, upload->http, &request, &upload->response, NULL, err) <
	    0)
		return -1;
	return follow(upload, err);
}

/* Closes the upload, with the blob as body, or none if it was already sent. */
static int finish(struct upload *upload, const void *data, size_t len, ducc_error **err)
{
	AUTO_FREE char *url =
		format("%s%cdigest=" PRI_DIGEST, upload->location,
		       strchr(upload->location, '?') ? '&' : '?', upload->digest->hex);
	struct http_request request = {
		.method = "PUT", .url = url, .content_type = OCTETS, .data = data, .len = len};

	return step(upload, &request, err) < 0 ? -1 : 0;
}

/* Sends the blob as one chunk; 1 if the registry then considers it complete. */
static int send_chunk(struct upload *upload, ducc_error **err)
{
	AUTO_FREE char *url = xstrdup(upload->location);
	AUTO_FREE char *range = format("0-%zu", upload->len - 1);
	struct http_request request = {.method = "PATCH",
				       .url = url,
				       .content_type = OCTETS,
				       .content_range = range,
				       .data = upload->data,
				       .len = upload->len};

	return step(upload, &request, err);
}

/* Statuses of registries that require a PATCH with the blob before the PUT. */
static bool wants_chunks(long status)
{
	return status == 400 || status == 404 || status == 405 || status == 411 || status == 415 ||
	       status == 416 || status == 501;
}

static int put_at_once(struct upload *upload, const char *mount_from, ducc_error **err)
{
	int begun = begin(upload, mount_from, err);

	if (begun)
		return begun < 0 ? -1 : 0;
	return finish(upload, upload->data, upload->len, err);
}

static int put_in_chunks(struct upload *upload, ducc_error **err)
{
	int done = begin(upload, NULL, err);

	if (!done)
		done = send_chunk(upload, err);
	if (done)
		return done < 0 ? -1 : 0;
	return finish(upload, NULL, 0, err);
}

/* The state of a failed upload is unknown: each attempt starts a new one. */
static int put(struct upload *upload, const char *mount_from, ducc_error **err)
{
	bool in_chunks = false;

	for (unsigned attempt = 1;; attempt++) {
		ducc_error *error = NULL;
		int result = in_chunks ? put_in_chunks(upload, &error)
				       : put_at_once(upload, mount_from, &error);
		long status = upload->response.status;
		bool again;

		if (!result)
			return 0;
		if (!in_chunks && upload->len && wants_chunks(status))
			again = in_chunks = true;
		else
			again = (!status || http_status_is_transient(status)) &&
				endpoint_pause(upload->http, &upload->response, attempt, error);
		if (!again) {
			error_give(err, error);
			return -1;
		}
		ducc_error_free(error);
	}
}

int registry_put_blob(struct registry *registry, struct http *http, const void *data, size_t len,
		      const struct digest *digest, const char *mount_from, ducc_error **err)
{
	struct upload upload = {.home = registry_home(registry, http),
				.http = http,
				.data = data,
				.len = len,
				.digest = digest};
	int result = registry_has_blob(registry, http, digest, err);

	if (!result) {
		if (mount_from)
			auth_allow_pull(upload.home->auth, mount_from);
		result = put(&upload, mount_from, err);
		http_response_free(&upload.response);
		free(upload.location);
	}
	return result < 0 ? error_wrap(err, "blob " PRI_DIGEST, digest->hex) : 0;
}

int registry_put_manifest(struct registry *registry, struct http *http, const char *name,
			  const char *media_type, const void *data, size_t len, ducc_error **err)
{
	struct endpoint *home = registry_home(registry, http);
	AUTO_FREE char *url = endpoint_url(home, "/manifests/%s", name);
	struct http_request request = {
		.method = "PUT", .url = url, .content_type = media_type, .data = data, .len = len};
	struct http_response response = {0};
	struct digest ours = digest_of(data, len), theirs;
	int result = endpoint_request(home, http, &request, &response, NULL, err);

	if (!result && response.digest && digest_parse(&theirs, response.digest) &&
	    !digest_equal(&ours, &theirs))
		result =
			error_set_kind(err, DUCC_CORRUPT,
				       "digest mismatch: registry reports " PRI_DIGEST, theirs.hex);
	http_response_free(&response);
	return result < 0 ? error_wrap(err, "manifest %s", name) : 0;
}

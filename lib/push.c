/* A repository of a registry, pushing: see registry.h. */
#include "endpoint.h"
#include "mem.h"
#include "registry.h"

#define OCTETS "application/octet-stream"

int registry_has_blob(struct registry *registry, struct http *http, const struct digest *digest,
		      ducc_error **err)
{
	struct endpoint *home = registry_home(registry);
	AUTO_FREE char *url = endpoint_url(home, "/blobs/" PRI_DIGEST, digest->hex);
	struct http_request request = {.method = "HEAD", .url = url};
	struct http_response response = {0};
	bool missing = false;
	int result = endpoint_request(home, http, &request, &response, NULL, ENDPOINT_TRIES,
				      &missing, err);

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
	char *location; /* where it goes on */
};

/*
 * One request of an upload.  Its answer says where the next one goes to; one that
 * leads away from the registry would take the credentials along.
 */
static int step(struct upload *upload, struct http_request *request, unsigned tries,
		ducc_error **err)
{
	const char *base = upload->home->base;

	if (endpoint_request(upload->home, upload->http, request, &upload->response, NULL, tries,
			     NULL, err) < 0)
		return -1;
	free(upload->location);
	upload->location = STEAL(upload->response.location);
	if (upload->response.status == 201)
		return 1;
	if (!upload->location)
		return error_set(err, "the registry does not say where to upload to");
	if (!http_same_origin(upload->location, base))
		return error_set(err, "the registry wants the upload elsewhere");
	return 0;
}

/* Opens an upload: 0, or 1 if there is nothing to send because the blob was mounted. */
static int begin(struct upload *upload, const char *mount_from, ducc_error **err)
{
	AUTO_FREE char *from = mount_from ? http_escape(mount_from) : NULL;
	AUTO_FREE char *query =
		from ? format("?mount=" PRI_DIGEST "&from=%s", upload->digest->hex, from) : NULL;
	AUTO_FREE char *url = endpoint_url(upload->home, "/blobs/uploads/%s", query ? query : "");
	struct http_request request = {.method = "POST", .url = url};

	return step(upload, &request, ENDPOINT_TRIES, err);
}

/* Closes it, with the blob as the body or none if it is there already. */
static int finish(struct upload *upload, const void *data, size_t len, ducc_error **err)
{
	AUTO_FREE char *url =
		format("%s%cdigest=" PRI_DIGEST, upload->location,
		       strchr(upload->location, '?') ? '&' : '?', upload->digest->hex);
	struct http_request request = {
		.method = "PUT", .url = url, .content_type = OCTETS, .data = data, .len = len};

	/* Where a try has left the upload, nobody knows: another one begins anew. */
	return step(upload, &request, 1, err) < 0 ? -1 : 0;
}

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

	return step(upload, &request, 1, err) < 0 ? -1 : 0;
}

/* Statuses of registries that want a blob by PATCH before the PUT. */
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
	if (begin(upload, NULL, err) < 0 || send_chunk(upload, err) < 0)
		return -1;
	return finish(upload, NULL, 0, err);
}

static int put(struct upload *upload, const char *mount_from, ducc_error **err)
{
	for (unsigned attempt = 1;; attempt++) {
		ducc_error *error = NULL;
		int result = put_at_once(upload, mount_from, &error);
		long status = upload->response.status;

		if (result < 0 && wants_chunks(status) && upload->len) {
			ducc_error_free(error);
			error = NULL;
			result = put_in_chunks(upload, &error);
			status = upload->response.status;
		}
		if (!result)
			return 0;
		if (attempt < ENDPOINT_TRIES && (!status || http_status_is_transient(status))) {
			ducc_error_free(error);
			endpoint_pause(attempt);
			continue;
		}
		if (err && !*err)
			*err = error;
		else
			ducc_error_free(error);
		return -1;
	}
}

int registry_put_blob(struct registry *registry, struct http *http, const void *data, size_t len,
		      const struct digest *digest, const char *mount_from, ducc_error **err)
{
	struct upload upload = {.home = registry_home(registry),
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
	struct endpoint *home = registry_home(registry);
	AUTO_FREE char *url = endpoint_url(home, "/manifests/%s", name);
	struct http_request request = {
		.method = "PUT", .url = url, .content_type = media_type, .data = data, .len = len};
	struct http_response response = {0};
	struct digest ours = digest_of(data, len), theirs;
	int result =
		endpoint_request(home, http, &request, &response, NULL, ENDPOINT_TRIES, NULL, err);

	if (!result && response.digest && digest_parse(&theirs, response.digest) &&
	    !digest_equal(&ours, &theirs))
		result =
			error_set(err, "digest mismatch: the registry has " PRI_DIGEST, theirs.hex);
	http_response_free(&response);
	return result < 0 ? error_wrap(err, "manifest %s", name) : 0;
}

/* A repository of a registry: see registry.h. */
#include "registry.h"

#include "endpoint.h"
#include "mem.h"

struct registry {
	struct endpoint home;
};

struct registry *registry_new(const struct reference *reference, enum registry_access access,
			      const char *user, const char *password, ducc_error **err)
{
	struct registry *registry = xcalloc(1, sizeof(*registry));

	if (!endpoint_init(&registry->home, reference, access, user, password, err))
		return registry;
	registry_free(registry);
	return NULL;
}

void registry_free(struct registry *registry)
{
	if (!registry)
		return;
	endpoint_end(&registry->home);
	free(registry);
}

struct endpoint *registry_home(struct registry *registry)
{
	return &registry->home;
}

int registry_head_manifest(struct registry *registry, struct http *http, const char *name,
			   struct digest *digest, ducc_error **err)
{
	AUTO_FREE char *url = endpoint_url(&registry->home, "/manifests/%s", name);
	struct http_request request = {.method = "HEAD", .url = url, .accept = image_accept};
	struct http_response response = {0};
	int result =
		endpoint_request(&registry->home, http, &request, &response, NULL, 1, NULL, err);

	if (!result)
		result = response.digest && digest_parse(digest, response.digest);
	http_response_free(&response);
	return result < 0 ? error_wrap(err, "manifest") : result;
}

int registry_get_manifest(struct registry *registry, struct http *http, const char *name,
			  const struct digest *expected, char **data, size_t *len, ducc_error **err)
{
	AUTO_FREE char *url = endpoint_url(&registry->home, "/manifests/%s", name);
	struct http_request request = {.url = url, .accept = image_accept, .limit = JSON_LIMIT};
	struct http_response response = {0};
	int result = endpoint_request(&registry->home, http, &request, &response, NULL,
				      ENDPOINT_TRIES, NULL, err);

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
		endpoint_url(&registry->home, "/blobs/" PRI_DIGEST, blob->descriptor->digest.hex);
	struct http_request request = {.url = url, .sink = on_data, .ctx = blob};
	struct http_response response = {0};
	int result = endpoint_request(&registry->home, http, &request, &response, on_restart,
				      ENDPOINT_TRIES, NULL, err);

	http_response_free(&response);
	return result < 0 ? -1 : blob_verify(blob, err);
}

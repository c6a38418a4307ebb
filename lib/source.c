/* Where images come from: see source.h. */
#include "source.h"

#include "buffer.h"
#include "mem.h"
#include "registry.h"

/* --- registries ------------------------------------------------------- */

struct remote {
	struct registry *registry;
	struct http *http; /* for manifests; blobs have workers */
};

static int remote_open(struct source *source, const char *text, ducc_error **err)
{
	struct remote *remote = source->data = xcalloc(1, sizeof(*remote));

	remote->http = http_new();
	if (reference_parse(&source->reference, text, err) < 0)
		return -1;
	remote->registry = registry_new(&source->reference, REGISTRY_PULL, NULL, NULL, err);
	return remote->registry ? 0 : -1;
}

static void remote_close(struct source *source)
{
	struct remote *remote = source->data;

	registry_free(remote->registry);
	http_free(remote->http);
	free(remote);
}

static int remote_peek(struct source *source, struct digest *digest)
{
	struct remote *remote = source->data;

	if (reference_is_pinned(&source->reference)) {
		*digest = source->reference.digest;
		return 1;
	}
	/* If it fails, getting the manifest will tell why. */
	return registry_head_manifest(remote->registry, remote->http, source->reference.tag, digest,
				      NULL) > 0;
}

static int remote_manifest(struct source *source, const struct digest *digest, char **data,
			   size_t *len, ducc_error **err)
{
	struct remote *remote = source->data;
	AUTO_FREE char *name =
		digest ? format(PRI_DIGEST, digest->hex) : xstrdup(source->reference.tag);

	return registry_get_manifest(remote->registry, remote->http, name, digest, data, len, err);
}

static int remote_blob(struct source *source, void *worker, struct blob *blob, ducc_error **err)
{
	const struct remote *remote = source->data;

	return registry_get_blob(remote->registry, worker, blob, err);
}

static void *remote_worker_new(void)
{
	return http_new();
}

static void remote_worker_free(void *worker)
{
	http_free(worker);
}

static const struct source_kind source_registry = {
	.prefix = "",
	.open = remote_open,
	.close = remote_close,
	.peek = remote_peek,
	.manifest = remote_manifest,
	.blob = remote_blob,
	.worker_new = remote_worker_new,
	.worker_free = remote_worker_free,
};

static const struct source_kind *const kinds[] = {
	&source_oci, &source_docker_archive, &source_registry, /* its prefix is empty: last */
};

int source_open(struct source *source, const char *text, ducc_error **err)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		size_t len = strlen(kinds[i]->prefix);

		if (strncmp(text, kinds[i]->prefix, len) != 0)
			continue;
		*source = (struct source){.kind = kinds[i]};
		if (kinds[i]->open(source, text + len, err) < 0) {
			source_close(source);
			return -1;
		}
		return 0;
	}
	return error_set(err, "no such source");
}

void source_close(struct source *source)
{
	if (!source->kind)
		return;
	source->kind->close(source);
	reference_free(&source->reference);
	source->kind = NULL;
}

int source_set_local_name(struct source *source, const char *name, ducc_error **err)
{
	size_t first = strcspn(name, "/");
	AUTO_FREE char *local = NULL;

	if (!name[first] || (!memchr(name, '.', first) && !memchr(name, ':', first) &&
			     strncmp(name, "localhost/", 10) != 0))
		local = format("localhost/%s", name);
	return reference_parse(&source->reference, local ? local : name, err);
}

/* Where images come from: see source.h. */
#include "source/source.h"

#include "base/buffer.h"
#include "base/mem.h"
#include "net/registry.h"

/* --- registries ------------------------------------------------------- */

static int remote_open(struct source *source, const char *text, ducc_error **err)
{
	static const struct login login = {.push = false};

	if (reference_parse(&source->reference, text, err) < 0)
		return -1;
	source->data = network_registry(source->network, &source->reference, &login, err);
	return source->data ? 0 : -1;
}

static void remote_close(struct source *source)
{
	(void)source; /* the registry stays for the session's next images */
}

static int remote_peek(struct source *source, struct digest *digest)
{
	struct network *network = source->network;
	struct http *http = network_take(network);
	/* If it fails, getting the manifest will tell why. */
	int known = registry_head_manifest(source->data, http, source->reference.tag, digest, NULL);

	network_give(network, http);
	return known > 0;
}

static int remote_manifest(struct source *source, const struct digest *digest, char **data,
			   size_t *len, ducc_error **err)
{
	struct network *network = source->network;
	struct http *http = network_take(network);
	AUTO_FREE char *name =
		digest ? format(PRI_DIGEST, digest->hex) : xstrdup(source->reference.tag);
	int result = registry_get_manifest(source->data, http, name, digest, data, len, err);

	network_give(network, http);
	return result;
}

static int remote_blob(struct source *source, struct blob *blob, ducc_error **err)
{
	struct network *network = source->network;
	struct http *http = network_take(network);
	int result = registry_get_blob(source->data, http, blob, err);

	network_give(network, http);
	return result;
}

static const struct source_kind source_registry = {
	.prefix = "",
	.open = remote_open,
	.close = remote_close,
	.peek = remote_peek,
	.manifest = remote_manifest,
	.blob = remote_blob,
};

static const struct source_kind *const kinds[] = {
	&source_oci, &source_oci_archive, &source_docker_archive,
	&source_registry, /* its prefix is empty: last */
};

int source_open(struct source *source, struct network *network, int *input, const char *text,
		ducc_error **err)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		size_t len = strlen(kinds[i]->prefix);

		if (strncmp(text, kinds[i]->prefix, len) != 0)
			continue;
		*source = (struct source){.kind = kinds[i], .network = network, .input = input};
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

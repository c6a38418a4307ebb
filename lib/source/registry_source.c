/* Registries as a source (source.h). */
#include "base/buffer.h"
#include "base/mem.h"
#include "net/registry.h"
#include "source/source.h"

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
	(void)source; /* the session keeps the registry for later images */
}

static int remote_peek(struct source *source, struct digest *digest)
{
	struct network *network = source->network;
	struct http *http = network_take(network);
	/* On failure, getting the manifest reports the error. */
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

const struct source_kind source_registry = {
	.prefix = "",
	.open = remote_open,
	.close = remote_close,
	.peek = remote_peek,
	.manifest = remote_manifest,
	.blob = remote_blob,
};

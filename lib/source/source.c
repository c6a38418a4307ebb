/* Sources of images: see source.h. */
#include "source/source.h"

#include "base/buffer.h"
#include "base/mem.h"

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
	return error_set(err, "unknown source");
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

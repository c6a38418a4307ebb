/* Whether a listed image is the one that its registry has now: see list.h. */
#include "base/mem.h"
#include "jobs/list.h"
#include "jobs/resolve.h"
#include "source/source.h"

/* By its config, if the digest of its manifest is unknown: that has the digests of all files. */
static bool is_same(const struct listed *image, const struct resolution *resolution)
{
	if (*image->manifest.hex)
		return digest_equal(&image->manifest, &resolution->document.digest);
	return digest_equal(&image->config, &resolution->manifest.config.digest);
}

/* For most images one HEAD request is enough, which counts towards no limit of pulls. */
static int compare(struct listed *image, struct source *source, ducc_error **err)
{
	/* Without a store: what it has need not be what the registry has. */
	const struct store none = {.fd = -1};
	struct platform platform = {NULL};
	struct resolution resolution = {.source = source, .store = &none};
	struct digest digest;
	int result;

	if (*image->manifest.hex && source->kind->peek && source->kind->peek(source, &digest) > 0 &&
	    digest_equal(&digest, &image->manifest)) {
		image->current = "yes";
		return 0;
	}
	result = platform_parse(&platform, image->platform, err);
	if (!result)
		result = resolve(&resolution, &platform, err);
	if (!result)
		image->current = is_same(image, &resolution) ? "yes" : "no";
	resolution_free(&resolution);
	platform_free(&platform);
	return result;
}

static int ask(struct list *list, struct listed *image, ducc_error **err)
{
	AUTO_REFERENCE reference = {NULL};
	AUTO_FREE char *text = NULL;
	struct source source = {NULL};
	int input = -1, result;

	if (list_reference(image, &reference, err) < 0)
		return -1;
	text = reference_format(&reference);
	if (source_open(&source, list->session->network, &input, text, err) < 0)
		return -1;
	result = compare(image, &source, err);
	source_close(&source);
	return result;
}

void list_ask_registry(struct list *list, struct listed *image)
{
	const struct subject subject = {.name = image->name};
	int result;

	context_set_subject(&subject);
	result = ask(list, image, &image->error);
	context_set_subject(NULL);
	if (!result)
		return;
	image->current = "unknown";
	if (ducc_error_kind(image->error) != DUCC_NOT_FOUND)
		return;
	image->current = "gone";
	ducc_error_free(STEAL(image->error));
}

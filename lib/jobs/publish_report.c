/* Reporting what is published, in notices, records and events: see publish.h. */
#include <inttypes.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/text.h"
#include "format/record.h"
#include "format/repo_paths.h"
#include "jobs/events.h"
#include "jobs/publish.h"

static const struct {
	const char *name, *files, *bytes; /* in notices, and in events */
} ways[N_WAYS] = {
	[SENT] = {"sent", "files_sent", "bytes_sent"},
	[LINKED] = {"linked", "files_linked", "bytes_linked"},
	[GRAFTED] = {"grafted", "files_grafted", "bytes_grafted"},
	[CHUNKED] = {"chunked", "files_chunked", "bytes_chunked"},
};

void publish_set_amounts(struct publish_image *image, const struct transaction *transaction)
{
	const struct amount *now = transaction->amounts.by, *before = transaction->saved.amounts.by;

	for (size_t i = 0; i < N_WAYS; i++) {
		image->amounts[i].files = now[i].files - before[i].files;
		image->amounts[i].bytes = now[i].bytes - before[i].bytes;
	}
}

void publish_report_plan(struct publish *publish, const struct publish_image *image)
{
	const char *unit = " files";
	AUTO_BUFFER text = {0};

	buffer_adds(&text, image->changed   ? "publishing"
			   : image->renamed ? "restoring"
					    : "unchanged");
	for (size_t i = 0; i < N_WAYS; i++) {
		const struct amount *amount = &image->amounts[i];

		if (!amount->files)
			continue;
		buffer_addf(&text, ", %" PRIu64 "%s %s (%.1f MB)", amount->files, unit,
			    ways[i].name, (double)amount->bytes / 1e6);
		unit = "";
	}
	context_notice(&publish->session->context, DUCC_INFO, "%s: %s", image->name, text.data);
}

void publish_report_missing(struct publish *publish, const struct publish_image *image)
{
	const struct repository *repository = &publish->repository;
	const struct digest *config = &image->stored.manifest.config.digest;
	size_t layers = 0;

	for (size_t i = 0; i < image->stored.manifest.n; i++)
		layers += !repository_has_layer(repository,
						&image->stored.manifest.layers[i].digest) ||
			  publish_wants_again(publish, image,
					      &image->stored.manifest.layers[i].digest);
	context_notice(&publish->session->context, DUCC_INFO,
		       "%s: would publish %zu of %zu layer%s%s", image->name, layers,
		       image->stored.manifest.n, text_plural(image->stored.manifest.n),
		       repository_find_flat(repository, config, NULL) > 0 &&
				       !publish_wants_again(publish, image, config)
			       ? ""
			       : " and the flat root file system");
}

/* The number as text, owned by the set. */
static const char *keep(struct strset *texts, uint64_t number)
{
	AUTO_FREE char *text = format("%" PRIu64, number);

	strset_add(texts, text);
	return texts->list[strset_find(texts, text)];
}

/* Reports the flat image, and the files of the layers that are published for it. */
static void report_flat(struct publish *publish, const struct publish_image *image,
			const char *request)
{
	AUTO_FREE char *flat = flat_directory(&image->stored.manifest.config.digest);
	const char *pairs[10 + 4 * N_WAYS + 1] = {"repository",    publish->repository.name,
						  "image_request", request,
						  "image",         image->name,
						  "public_path",   image->name,
						  "private_path",  flat};
	AUTO_STRSET numbers = {NULL};
	size_t n = 10;

	for (size_t i = 0; i < N_WAYS; i++) {
		if (!image->amounts[i].files)
			continue;
		pairs[n++] = ways[i].files;
		pairs[n++] = keep(&numbers, image->amounts[i].files);
		pairs[n++] = ways[i].bytes;
		pairs[n++] = keep(&numbers, image->amounts[i].bytes);
	}
	event_send(publish->session->events, "publish_flat_image", pairs);
}

static const char *state_of(const struct publish_image *image)
{
	if (!image->changed && !image->renamed)
		return "unchanged";
	if (image->same)
		return "restored";
	return image->known ? "updated" : "added";
}

void publish_report(struct publish *publish, size_t i)
{
	struct publish_image *image = &publish->images[i];
	const char *request = ducc_record_reference(publish->records[i]);

	ducc_record_set(publish->records[i], "state", state_of(image), NULL);
	record_unset(publish->records[i], "wanted");
	if (image->rescued)
		ducc_record_set(publish->records[i], "wanted", "again", NULL);
	for (size_t k = 0; k < image->stored.manifest.n; k++)
		if (image->added[k])
			event(publish->session->events, "publish_layer", "repository",
			      publish->repository.name, "image_request", request, "image",
			      image->name, "layer_digest",
			      image->stored.manifest.layers[k].digest.hex);
	if (image->changed || image->renamed)
		span_tell(&image->span);
	else
		event(publish->session->events, "unchanged_image", "repository",
		      publish->repository.name, "image_request", request, "image", image->name);
	if (image->changed)
		report_flat(publish, image, request);
}

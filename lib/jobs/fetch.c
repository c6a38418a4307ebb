/* The job of ducc-fetch: downloading an image into the store (ducc.h). */
#include <inttypes.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/text.h"
#include "content/quota.h"
#include "format/image.h"
#include "format/record.h"
#include "jobs/dry_run.h"
#include "jobs/fetch.h"
#include "jobs/repair.h"
#include "jobs/thin_image.h"
#include "jobs/targets.h"
#include "store/fetched.h"
#include "store/index.h"
#include "store/staged.h"

#define PER_REGISTRY 16 /* images in progress */

/*
 * True if the config may show that the layers are not wanted, or there is a single one, which then
 * has the connection of the config: that is faster than another connection.
 */
static bool config_is_first(const struct fetch *fetch, const char *wanted)
{
	return fetch->n_wanted < 2 || (wanted && !fetch->resolution.platform.os) ||
	       !manifest_is_of_image(&fetch->image.manifest);
}

/* Fetches the config and the layers, side by side if possible. */
static int fetch_content(struct fetch *fetch, const ducc_record *record, ducc_error **err)
{
	bool first = config_is_first(fetch, fetch_wanted_platform(fetch, record));

	if (first && (fetch_config(fetch, err) < 0 || fetch_check_platform(fetch, record, err) < 0))
		return -1;
	if (fetch_parts(fetch, err) < 0)
		return -1;
	return first ? 0 : fetch_check_platform(fetch, record, err);
}

/* Records the name under which the image and its index were fetched. */
static int note_name(struct fetch *fetch, ducc_error **err)
{
	const struct reference *reference = &fetch->source.reference;

	if (fetch->resolution.n_indexes &&
	    fetched_add(&fetch->store, &fetch->resolution.indexes[0].digest, reference, err) < 0)
		return -1;
	return fetched_add(&fetch->store, &fetch->resolution.document.digest, reference, err);
}

static int write_document(struct store *store, const struct document *document, ducc_error **err)
{
	struct digest digest;

	return document->stored
		       ? 0
		       : store_write_blob(store, document->data, document->len, &digest, err);
}

/* There is something to do: tells that, with the name of the image, which is known now. */
static void tell(struct fetch *fetch)
{
	span_name(&fetch->span, &fetch->source.reference);
	span_tell(&fetch->span);
}

/* Writes the documents and lists the image in index.json; its blobs are in the store. */
static int list_image(struct fetch *fetch, ducc_error **err)
{
	struct store *store = &fetch->store;
	const struct document *manifest = &fetch->resolution.document;
	AUTO_FREE char *oci = manifest_to_oci(manifest->data, manifest->len);
	AUTO_FREE char *name = reference_name(&fetch->source.reference);
	AUTO_JSON *entry = NULL;
	struct digest digest;
	int added;

	for (size_t i = 0; i < fetch->resolution.n_indexes; i++) {
		const struct document *index = &fetch->resolution.indexes[i];

		if (write_document(store, index, err) < 0)
			return -1;
	}
	if (write_document(store, manifest, err) < 0)
		return -1;
	if (oci && store_write_blob(store, oci, strlen(oci), &digest, err) < 0)
		return -1;
	entry = index_entry(&manifest->digest, manifest->len, oci, &fetch->image.config.platform);
	if (note_name(fetch, err) < 0)
		return -1;
	added = store_tag(store, name, entry, err);
	if (added > 0)
		tell(fetch);
	return added < 0 ? -1 : 0;
}

/* What the tools that follow need not find out again. */
static int note_damaged(const struct fetch *fetch, ducc_record *record, ducc_error **err)
{
	for (size_t i = 0; i < fetch->damaged.n; i++)
		if (repair_add(record, fetch->damaged.list[i], err) < 0)
			return -1;
	return 0;
}

static int pin(struct fetch *fetch, ducc_record *record, ducc_error **err)
{
	AUTO_FREE char *platform = platform_format(&fetch->image.config.platform);

	if (ducc_record_set(record, "platform", platform, err) < 0 ||
	    note_damaged(fetch, record, err) < 0)
		return -1;
	fetch->source.reference.digest = fetch->resolution.document.digest;
	record_set_reference(record, &fetch->source.reference);
	dry_run_unmark(record);
	return 0;
}

/* For a dry run: pins the reference as far as that is possible without the config. */
static int plan(struct fetch *fetch, ducc_record *record, ducc_error **err)
{
	const struct platform *of_index = &fetch->resolution.platform;
	AUTO_FREE char *platform = of_index->os ? platform_format(of_index) : NULL;

	if ((platform && ducc_record_set(record, "platform", platform, err) < 0) ||
	    note_damaged(fetch, record, err) < 0)
		return -1;
	fetch->source.reference.digest = fetch->resolution.document.digest;
	record_set_reference(record, &fetch->source.reference);
	return dry_run_mark(record, err);
}

/* Non-distributable layers come from other servers, and only at the user's request. */
static int check_foreign(const struct fetch *fetch, ducc_error **err)
{
	for (size_t i = 0; i < fetch->n_wanted; i++) {
		const struct descriptor *layer = &fetch->image.manifest.layers[fetch->wanted[i]];

		if (layer_is_foreign(layer) && !fetch->session->foreign)
			return error_set(err,
					 "layer " PRI_DIGEST
					 ": non-distributable (%s), fetched only with -F",
					 layer->digest.hex, layer->media_type);
	}
	return 0;
}

/* Reports how much is missing; fails if that is too much. */
static int check_amount(struct fetch *fetch, ducc_error **err)
{
	const struct ducc_limits *limits = &fetch->session->limits;
	uint64_t bytes = 0;
	struct quota quota;

	if (stored_image_check_limits(&fetch->image, limits, err) < 0)
		return -1;
	quota_begin(&quota, limits, LIMIT_BLOBS, 0);
	for (size_t i = 0; i < fetch->n_wanted; i++) {
		uint64_t size = fetch->image.manifest.layers[fetch->wanted[i]].size;

		if (quota_take(&quota, size, err) < 0)
			return -1;
		bytes += size;
	}
	context_notice(&fetch->session->context, DUCC_INFO,
		       "%s %zu of %zu layer%s, %" PRIu64 " byte%s",
		       fetch->session->dry_run ? "would fetch" : "fetching", fetch->n_wanted,
		       fetch->image.manifest.n, text_plural(fetch->image.manifest.n), bytes,
		       text_plural(bytes));
	return 0;
}

/* Opens the source, the store and, if the record has one, the repository. */
static int open_all(struct fetch *fetch, const ducc_record *record, ducc_error **err)
{
	ducc_session *session = fetch->session;
	const char *repository = ducc_repository(session, record);
	int found;

	if (source_open(&fetch->source, session->network, &session->input,
			ducc_record_reference(record), err) < 0)
		return -1;
	found = session_open_store(session, &fetch->store, true, err);
	if (found < 0)
		return -1;
	if (found && !session->dry_run)
		session_sweep(session, &fetch->store);
	return repository ? targets_open(&fetch->repository, repository, session->store_path, err)
			  : 0;
}

/* Finds the manifest of the image, and which of its layers to download. */
static int examine(struct fetch *fetch, const ducc_record *record, ducc_error **err)
{
	struct platform platform;
	int result = platform_parse(&platform, fetch_wanted_platform(fetch, record), err);

	if (!result)
		result = resolve(&fetch->resolution, &platform, err);
	platform_free(&platform);
	if (result < 0)
		return -1;
	fetch->image.manifest = fetch->resolution.manifest;
	fetch->resolution.manifest = (struct manifest){.n = 0};
	fetch->image.manifest_len = fetch->resolution.document.len;
	return fetch_choose_layers(fetch, record, err) < 0 ? -1 : check_foreign(fetch, err);
}

static int fetch_image(struct fetch *fetch, const ducc_record *record, ducc_error **err)
{
	session_limit(fetch->session, &fetch->subject);
	if (examine(fetch, record, err) < 0)
		return -1;
	if (check_amount(fetch, err) < 0)
		return -1;
	if (fetch->n_wanted)
		tell(fetch);
	return fetch->session->dry_run ? 0 : fetch_content(fetch, record, err);
}

/* True for an image that a wildcard has selected, among whose tags there may be artifacts. */
static bool is_selected(const ducc_record *record)
{
	const char *wildcard = ducc_record_get(record, "wildcard");

	return wildcard && !strcmp(wildcard, "yes");
}

/* Thin images may have been pushed where a wildcard finds them. */
static int check_is_no_thin_image(const struct fetch *fetch, const ducc_record *record,
				  ducc_error **err)
{
	const struct stored_image *image = &fetch->image;

	if (!is_selected(record) || !is_thin_image(&image->manifest, &image->config))
		return 0;
	return error_set_kind(err, DUCC_ARTIFACT, "a thin image");
}

/* Fetches the image when its registry's turn comes, and lists it. */
static int fetch_in_turn(struct fetch *fetch, const ducc_record *record, ducc_error **err)
{
	struct gate *gate = &fetch->session->gate;
	struct pass pass = {
		.key = fetch->source.reference.registry, .party = "", .limit = PER_REGISTRY};
	int result;

	gate_enter(gate, &pass);
	result = fetch_image(fetch, record, err);
	gate_leave(gate, &pass);
	if (result < 0 || check_is_no_thin_image(fetch, record, err) < 0)
		return -1;
	return fetch->session->dry_run ? 0 : list_image(fetch, err);
}

static bool is_gone(const struct fetch *fetch, const struct descriptor *blob)
{
	return !store_has_blob(&fetch->store, blob, NULL);
}

/* True if the store was cleaned meanwhile, before the image was listed. */
static bool is_cleaned(const struct fetch *fetch)
{
	const struct document *document = &fetch->resolution.document;
	const struct manifest *manifest = &fetch->image.manifest;

	if (is_gone(fetch,
		    &(struct descriptor){.digest = document->digest, .size = document->len}) ||
	    is_gone(fetch, &manifest->config))
		return true;
	for (size_t i = 0; i < manifest->n; i++)
		if (is_gone(fetch, &manifest->layers[i]) &&
		    !repository_has_layer(&fetch->repository, &manifest->layers[i].digest))
			return true;
	return false;
}

/* Frees what is known of the image. */
static void forget(struct fetch *fetch)
{
	free(STEAL(fetch->wanted));
	fetch->n_wanted = 0;
	strset_free(&fetch->damaged);
	resolution_free(&fetch->resolution);
	fetch->resolution = (struct resolution){.source = &fetch->source, .store = &fetch->store};
	stored_image_free(&fetch->image);
}

static int fetch_and_pin(struct fetch *fetch, ducc_record *record, ducc_error **err)
{
	int result;

	if (open_all(fetch, record, err) < 0)
		return -1;
	result = fetch_in_turn(fetch, record, err);
	if (!result && !fetch->session->dry_run && is_cleaned(fetch)) {
		forget(fetch);
		result = fetch_in_turn(fetch, record, err);
	}
	if (result < 0)
		return -1;
	return fetch->session->dry_run ? plan(fetch, record, err) : pin(fetch, record, err);
}

static void fetch_end(struct fetch *fetch)
{
	forget(fetch);
	source_close(&fetch->source);
	repository_close(&fetch->repository);
	store_close(&fetch->store);
}

static void fetch_begin(struct fetch *fetch, ducc_session *session)
{
	*fetch = (struct fetch){.session = session, .store = {.fd = -1}};
	fetch->resolution = (struct resolution){.source = &fetch->source, .store = &fetch->store};
}

bool ducc_record_is_local(const ducc_record *record)
{
	return source_is_local(ducc_record_reference(record));
}

/* Removes what --failed has added to the record. */
static void forget_failure(ducc_record *record)
{
	record_unset(record, "tool");
	record_unset(record, "error");
	record_unset(record, "damaged");
}

int ducc_fetch(ducc_session *session, ducc_record *record, ducc_error **err)
{
	AUTO_FREE char *name = xstrdup(ducc_record_reference(record));
	ducc_error *error = NULL;
	struct fetch fetch;
	int result;

	fetch_begin(&fetch, session);
	fetch.subject.name = name;
	context_set_subject(&fetch.subject);
	span_begin(&fetch.span, session->events, "image_fetch", ducc_record_reference(record),
		   NULL);
	result = fetch_and_pin(&fetch, record, &error);
	if (!result)
		forget_failure(record);
	session_advise(session, &error);
	if (fetch.source.reference.registry)
		span_name(&fetch.span, &fetch.source.reference);
	span_end(&fetch.span, result, 0, &error);
	fetch_end(&fetch);
	if (result < 0 && is_selected(record) && ducc_error_kind(error) == DUCC_ARTIFACT) {
		context_notice(&session->context, DUCC_WARNING, "skipped: %s",
			       ducc_error_message(error));
		ducc_error_free(error);
		result = 1;
	}
	context_set_subject(NULL);
	return result < 0 ? error_give(err, error) : result;
}

char **ducc_platforms(ducc_session *session, const ducc_record *record, ducc_error **err)
{
	struct fetch fetch;
	char **platforms = NULL;

	fetch_begin(&fetch, session);
	session_limit(session, &fetch.subject);
	context_set_subject(&fetch.subject);
	if (!source_open(&fetch.source, session->network, &session->input,
			 ducc_record_reference(record), err) &&
	    session_open_store(session, &fetch.store, false, err) >= 0)
		platforms = resolve_platforms(&fetch.resolution, err);
	context_set_subject(NULL);
	fetch_end(&fetch);
	return platforms;
}

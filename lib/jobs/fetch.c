/* The job of ducc-fetch: downloading an image into the store (ducc.h). */
#include <inttypes.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/strset.h"
#include "format/image.h"
#include "format/record.h"
#include "jobs/events.h"
#include "jobs/repair.h"
#include "jobs/session.h"
#include "jobs/stored_image.h"
#include "jobs/targets.h"
#include "repo/repository.h"
#include "source/source.h"
#include "store/fetched.h"
#include "store/index.h"
#include "store/staged.h"

#define DEFAULT_JOBS 6
#define MAX_INDEX_DEPTH 4
/* Manifests and indexes to examine for one image, and their bytes. */
#define MAX_DOCUMENTS 64
#define MAX_DOCUMENTS_SIZE (4 * JSON_LIMIT)

struct document {
	char *data;
	size_t len;
	struct digest digest;
};

struct fetch {
	ducc_session *session;
	struct source source;
	struct store store;           /* fd -1: a dry run, and there is none */
	struct repository repository; /* path NULL: none, or it does not exist yet */

	struct document indexes[MAX_INDEX_DEPTH];
	size_t n_indexes, n_documents; /* indexes in the array; documents examined */
	size_t documents_size;         /* bytes of the latter */
	struct document manifest_document;
	struct stored_image image;

	size_t *wanted; /* layers to download, as numbers in the manifest */
	size_t n_wanted;
};

/* --- what to fetch ---------------------------------------------------- */

static int ask_source(struct fetch *fetch, const struct digest *digest, struct document *document,
		      ducc_error **err)
{
	if (fetch->source.kind->manifest(&fetch->source, digest, &document->data, &document->len,
					 err) < 0)
		return -1;
	document->digest = digest_of(document->data, document->len);
	return 0;
}

static bool is_stored(const struct fetch *fetch, const struct digest *digest)
{
	return fetch->store.fd >= 0 && store_has_blob(&fetch->store, digest);
}

static int read_stored(const struct fetch *fetch, const struct digest *digest,
		       struct document *document, ducc_error **err)
{
	document->digest = *digest;
	return store_read_blob(&fetch->store, digest, &document->data, &document->len, err);
}

/* Gets a manifest or index by a digest from the source: from the store, if it has the blob. */
static int get_document(struct fetch *fetch, const struct digest *digest, struct document *document,
			ducc_error **err)
{
	return is_stored(fetch, digest) ? read_stored(fetch, digest, document, err)
					: ask_source(fetch, digest, document, err);
}

/*
 * Gets the top-level document, from the source only if the store does not have it.  A blob
 * with the pinned digest is not enough: it may belong to another image, or be a layer.
 */
static int get_top(struct fetch *fetch, struct document *document, ducc_error **err)
{
	const struct source *source = &fetch->source;
	const struct reference *reference = &source->reference;
	struct digest digest;

	if (reference_is_pinned(reference))
		return is_stored(fetch, &reference->digest) &&
				       fetched_under(&fetch->store, &reference->digest, reference)
			       ? read_stored(fetch, &reference->digest, document, err)
			       : ask_source(fetch, &reference->digest, document, err);
	if (source->kind->peek && source->kind->peek(&fetch->source, &digest) > 0)
		return get_document(fetch, &digest, document, err);
	return ask_source(fetch, NULL, document, err);
}

static int descend(struct fetch *fetch, const struct descriptor *next,
		   const struct platform *platform, ducc_error **err);

/*
 * Follows indexes from the manifest document down to the image manifest for the platform, at
 * most MAX_INDEX_DEPTH of them.
 */
/* NOLINTNEXTLINE(misc-no-recursion) */
static int resolve_from(struct fetch *fetch, const struct platform *platform, ducc_error **err)
{
	struct document *document = &fetch->manifest_document;
	AUTO_JSON *json = json_parse(document->data, document->len, "manifest", err);
	struct descriptor *found;
	ducc_error *error = NULL;
	size_t n;
	int result = -1;

	if (!json)
		return -1;
	if (!manifest_is_index(json))
		return manifest_parse(&fetch->image.manifest, document->data, document->len, err);
	if (fetch->n_indexes == MAX_INDEX_DEPTH)
		return error_set(err, "indexes nested too deeply");
	if (index_select(json, platform, &found, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (result < 0 && fetch->n_documents <= MAX_DOCUMENTS) {
			ducc_error_free(STEAL(error));
			result = descend(fetch, &found[i], platform, &error);
		}
		descriptor_free(&found[i]);
	}
	free(found);
	return result < 0 ? error_give(err, error) : 0;
}

/* Goes one level down; returns to this level if no manifest is found there. */
/* NOLINTNEXTLINE(misc-no-recursion) */
static int descend(struct fetch *fetch, const struct descriptor *next,
		   const struct platform *platform, ducc_error **err)
{
	struct document *document = &fetch->manifest_document;
	size_t depth = fetch->n_indexes;
	int result;

	if (++fetch->n_documents > MAX_DOCUMENTS)
		return error_set(err, "more than %d manifests to examine", MAX_DOCUMENTS);
	fetch->indexes[fetch->n_indexes++] = *document;
	*document = (struct document){NULL};
	result = get_document(fetch, &next->digest, document, err);
	if (!result && document->len != next->size)
		result = error_set(err,
				   "manifest " PRI_DIGEST ": size mismatch: %zu bytes "
				   "instead of %" PRIu64,
				   next->digest.hex, document->len, next->size);
	fetch->documents_size += document->len;
	if (!result && fetch->documents_size > MAX_DOCUMENTS_SIZE)
		result = error_set(err, "more than %zu bytes of manifests to examine",
				   MAX_DOCUMENTS_SIZE);
	if (!result)
		result = resolve_from(fetch, platform, err);
	if (!result)
		return 0;
	free(document->data);
	*document = fetch->indexes[depth];
	fetch->n_indexes = depth;
	return -1;
}

static int resolve(struct fetch *fetch, const struct platform *platform, ducc_error **err)
{
	if (get_top(fetch, &fetch->manifest_document, err) < 0)
		return -1;
	return resolve_from(fetch, platform, err);
}

/* --- blobs ------------------------------------------------------------ */

struct blob_progress {
	struct fetch *fetch;
	const char *name;
	uint64_t size;
};

static void on_progress(void *ctx, uint64_t done)
{
	const struct blob_progress *progress = ctx;

	context_progress(&progress->fetch->session->context, progress->name, done, progress->size);
}

static int fetch_blob(struct fetch *fetch, const struct descriptor *descriptor, ducc_error **err)
{
	AUTO_FREE char *final = store_blob_name(&descriptor->digest);
	AUTO_FREE char *name = format(PRI_DIGEST, descriptor->digest.hex);
	AUTO_STAGED staged = STAGED_NONE;
	struct blob_progress progress = {fetch, name, descriptor->size};
	struct blob blob;
	int result = staged_resume(&staged, &fetch->store, final, err);

	if (result)
		return result < 0 ? -1 : 0;
	blob_begin(&blob, descriptor, staged.fd);
	blob.progress = on_progress;
	blob.ctx = &progress;
	result = blob_resume(&blob, err);
	if (!result && blob.done)
		context_notice(&fetch->session->context, DUCC_INFO,
			       "%s: %" PRIu64 " of %" PRIu64 " bytes already fetched", name,
			       blob.done, descriptor->size);
	if (!result)
		result = fetch->source.kind->blob(&fetch->source, &blob, err);
	/* Keeps a partial download, to be resumed the next time. */
	if (result < 0 && blob.done && !blob.wrong && !blob.unwritable && !blob_flush(&blob, NULL))
		staged_leave(&staged);
	blob_end(&blob);
	if (!result)
		result = staged_commit(&staged, err);
	if (!result)
		context_notice(&fetch->session->context, DUCC_DEBUG, "%s: %" PRIu64 " bytes", name,
			       descriptor->size);
	return result;
}

static int fetch_wanted(void *ctx, size_t i, ducc_error **err)
{
	struct fetch *fetch = ctx;
	const struct descriptor *descriptor = &fetch->image.manifest.layers[fetch->wanted[i]];
	AUTO_FREE char *reference = reference_format(&fetch->source.reference);
	struct span span;
	int result;

	span_begin(&span, fetch->session->events, "layer_fetch", reference, &descriptor->digest);
	result = fetch_blob(fetch, descriptor, err);
	span_end(&span, result, descriptor->size, err);
	return result < 0 ? error_wrap(err, "layer " PRI_DIGEST, descriptor->digest.hex) : 0;
}

/* Gets and reads the config, which is small, to check the image first. */
static int fetch_config(struct fetch *fetch, ducc_error **err)
{
	const struct descriptor *descriptor = &fetch->image.manifest.config;

	if (!store_has_blob(&fetch->store, &descriptor->digest) &&
	    fetch_blob(fetch, descriptor, err) < 0)
		return error_wrap(err, "config " PRI_DIGEST, descriptor->digest.hex);
	return stored_image_read_config(&fetch->image, &fetch->store, err);
}

/* True if the repository has the layer, and it need not be published again. */
static bool is_published(const struct fetch *fetch, const ducc_record *record,
			 const struct digest *layer)
{
	return repository_has_layer(&fetch->repository, layer) && !repair_has(record, layer);
}

/* Lists the layers that neither the store nor the repository has, each once. */
static void choose_layers(struct fetch *fetch, const ducc_record *record)
{
	const struct manifest *manifest = &fetch->image.manifest;
	struct strset known = {NULL};

	fetch->wanted = xcalloc(manifest->n, sizeof(*fetch->wanted));
	for (size_t i = 0; i < manifest->n; i++) {
		const struct descriptor *layer = &manifest->layers[i];

		if (!strset_add(&known, layer->digest.hex) ||
		    (fetch->store.fd >= 0 && store_has_blob(&fetch->store, &layer->digest)) ||
		    is_published(fetch, record, &layer->digest))
			continue;
		fetch->wanted[fetch->n_wanted++] = i;
	}
	strset_free(&known);
}

/* --- the image -------------------------------------------------------- */

/* With -p, rejects an image whose config names another platform. */
static int check_platform(const struct fetch *fetch, const char *wanted, ducc_error **err)
{
	struct platform platform = {NULL};
	AUTO_FREE char *have = platform_format(&fetch->image.config.platform);
	bool matches;

	if (!wanted || fetch->n_indexes)
		return 0;
	if (platform_parse(&platform, wanted, err) < 0)
		return -1;
	matches = platform_rank(&platform, &fetch->image.config.platform) > 0;
	platform_free(&platform);
	return matches ? 0 : error_set(err, "the image is for %s, not for %s", have, wanted);
}

/* Records the name under which the image and its index were fetched. */
static int note_name(struct fetch *fetch, ducc_error **err)
{
	const struct reference *reference = &fetch->source.reference;

	if (fetch->n_indexes &&
	    fetched_add(&fetch->store, &fetch->indexes[0].digest, reference, err) < 0)
		return -1;
	return fetched_add(&fetch->store, &fetch->manifest_document.digest, reference, err);
}

/* Writes the documents and lists the image in index.json; its blobs are in the store. */
static int list_image(struct fetch *fetch, ducc_error **err)
{
	struct store *store = &fetch->store;
	const struct document *manifest = &fetch->manifest_document;
	const struct platform *platform = &fetch->image.config.platform;
	AUTO_FREE char *oci = manifest_to_oci(manifest->data, manifest->len);
	AUTO_FREE char *name = reference_name(&fetch->source.reference);
	AUTO_JSON *descriptor = NULL;
	struct digest digest;

	for (size_t i = 0; i < fetch->n_indexes; i++)
		if (store_write_blob(store, fetch->indexes[i].data, fetch->indexes[i].len, &digest,
				     err) < 0)
			return -1;
	if (store_write_blob(store, manifest->data, manifest->len, &digest, err) < 0)
		return -1;
	if (oci && store_write_blob(store, oci, strlen(oci), &digest, err) < 0)
		return -1;
	descriptor =
		descriptor_to_json(MEDIA_OCI_MANIFEST, &digest, oci ? strlen(oci) : manifest->len);
	if (oci) {
		AUTO_FREE char *original = format(PRI_DIGEST, manifest->digest.hex);
		cJSON *annotations = json_object();

		json_set_string(annotations, ANNOTATION_MANIFEST, original);
		json_set(descriptor, "annotations", annotations);
	}
	if (platform->os && platform->architecture)
		json_set(descriptor, "platform", platform_to_json(platform));
	return note_name(fetch, err) < 0 ? -1 : store_tag(store, name, descriptor, err);
}

static int pin(struct fetch *fetch, ducc_record *record, ducc_error **err)
{
	AUTO_FREE char *platform = platform_format(&fetch->image.config.platform);

	if (ducc_record_set(record, "platform", platform, err) < 0)
		return -1;
	fetch->source.reference.digest = fetch->manifest_document.digest;
	record_set_reference(record, &fetch->source.reference);
	return 0;
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

static void say_what_is_missing(struct fetch *fetch)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < fetch->n_wanted; i++)
		bytes += fetch->image.manifest.layers[fetch->wanted[i]].size;
	context_notice(&fetch->session->context, DUCC_INFO,
		       "%s %zu of %zu layers, %" PRIu64 " bytes",
		       fetch->session->dry_run ? "would fetch" : "fetching", fetch->n_wanted,
		       fetch->image.manifest.n, bytes);
}

static int fetch_image(struct fetch *fetch, ducc_record *record, ducc_error **err)
{
	ducc_session *session = fetch->session;
	const char *wanted =
		session->platform ? session->platform : ducc_record_get(record, "platform");
	const char *repository = ducc_repository(session, record);
	struct platform platform;
	int result;

	if (platform_parse(&platform, wanted, err) < 0)
		return -1;
	result = source_open(&fetch->source, session->network, &session->input,
			     ducc_record_reference(record), err);
	if (!result && session->dry_run)
		result = store_open_existing(&fetch->store, session->store_path, err);
	else if (!result)
		result = store_open(&fetch->store, session->store_path, err);
	fetch->store.index = session->index;
	if (!result && !session->dry_run && !session->swept) {
		store_sweep(&fetch->store);
		session->swept = true;
	}
	if (result >= 0 && repository)
		result = targets_open(&fetch->repository, repository, session->store_path, err);
	if (result >= 0)
		result = resolve(fetch, &platform, err);
	platform_free(&platform);
	if (result < 0)
		return -1;

	choose_layers(fetch, record);
	if (check_foreign(fetch, err) < 0)
		return -1;
	say_what_is_missing(fetch);
	if (session->dry_run)
		return 0;
	if (fetch_config(fetch, err) < 0 || check_platform(fetch, wanted, err) < 0 ||
	    parallel_run(fetch->n_wanted, session->jobs ? session->jobs : DEFAULT_JOBS,
			 fetch_wanted, fetch, err) < 0 ||
	    list_image(fetch, err) < 0)
		return -1;
	return pin(fetch, record, err);
}

static void fetch_end(struct fetch *fetch)
{
	for (size_t i = 0; i < fetch->n_indexes; i++)
		free(fetch->indexes[i].data);
	free(fetch->wanted);
	free(fetch->manifest_document.data);
	stored_image_free(&fetch->image);
	source_close(&fetch->source);
	repository_close(&fetch->repository);
	store_close(&fetch->store);
}

int ducc_fetch(ducc_session *session, ducc_record *record, ducc_error **err)
{
	struct fetch fetch = {.session = session, .store = {.fd = -1}};
	struct span span;
	int result;

	span_begin(&span, session->events, "image_fetch", ducc_record_reference(record), NULL);
	result = fetch_image(&fetch, record, err);
	if (fetch.source.reference.registry)
		span_name(&span, &fetch.source.reference);
	span_end(&span, result, 0, err);
	fetch_end(&fetch);
	return result;
}

/* Lists the platforms of the top-level index; an empty list for a single image. */
static int list_platforms(struct fetch *fetch, const ducc_record *record, char ***platforms,
			  ducc_error **err)
{
	ducc_session *session = fetch->session;
	struct document *document = &fetch->manifest_document;
	AUTO_JSON *json = NULL;

	if (source_open(&fetch->source, session->network, &session->input,
			ducc_record_reference(record), err) < 0 ||
	    store_open_existing(&fetch->store, session->store_path, err) < 0 ||
	    get_top(fetch, document, err) < 0)
		return -1;
	json = json_parse(document->data, document->len, "manifest", err);
	if (!json)
		return -1;
	*platforms = index_platforms(json, err);
	return *platforms ? 0 : -1;
}

char **ducc_platforms(ducc_session *session, const ducc_record *record, ducc_error **err)
{
	struct fetch fetch = {.session = session, .store = {.fd = -1}};
	char **platforms = NULL;

	list_platforms(&fetch, record, &platforms, err);
	fetch_end(&fetch);
	return platforms;
}

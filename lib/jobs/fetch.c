/* The job of ducc-fetch: downloading an image into the store (ducc.h). */
#include <inttypes.h>
#include <stdatomic.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/path.h"
#include "base/progress.h"
#include "base/strset.h"
#include "base/text.h"
#include "content/listing.h"
#include "content/quota.h"
#include "format/image.h"
#include "format/record.h"
#include "format/repo_paths.h"
#include "jobs/dry_run.h"
#include "jobs/events.h"
#include "jobs/repair.h"
#include "jobs/resolve.h"
#include "jobs/session.h"
#include "jobs/stored_image.h"
#include "jobs/thin_image.h"
#include "jobs/targets.h"
#include "repo/inventory.h"
#include "repo/public_names.h"
#include "repo/repository.h"
#include "source/source.h"
#include "store/fetched.h"
#include "store/index.h"
#include "store/staged.h"

#define DEFAULT_JOBS 6  /* layers in transfer */
#define PER_REGISTRY 16 /* images in progress */

/*
 * Threads may fetch several images at once (ducc.h).  The gate of the session bounds how many
 * are in progress for each registry, and how many layers are in transfer as a whole.
 *
 * Registries share the transfers: if one has several and another none, a layer of the first pauses,
 * with its connection, so that a layer of the other can be transferred.  As it keeps the lock of its
 * file in the store, nobody may wait for such a lock while in transfer: the lock comes first.
 */
#define TRANSFERS "" /* their key; those of images are the names of registries */

struct fetch {
	ducc_session *session;
	struct subject subject; /* the image */
	struct span span;
	struct source source;
	struct store store;           /* fd -1: a dry run, and there is none */
	struct repository repository; /* path NULL: none, or it does not exist yet */
	struct resolution resolution;
	struct stored_image image;

	size_t *wanted; /* layers to download, as numbers in the manifest */
	size_t n_wanted;
	struct strset damaged; /* published layers, in hex, to be published again */
	atomic_bool refused;   /* the config could not be fetched, or cannot be used */
};

/* --- blobs ------------------------------------------------------------ */

/* What is done while a blob is received. */
struct transfer {
	struct gate *gate; /* NULL: that of a config, which is not bounded */
	struct pass pass;
	struct progress progress;
};

static int move(void *ctx, uint64_t done, ducc_error **err)
{
	struct transfer *transfer = ctx;

	if (transfer->gate)
		gate_yield(transfer->gate, &transfer->pass);
	return progress_move(&transfer->progress, done, err);
}

/* Receives the missing part of the blob in the file, and gives that its name in the store. */
static int receive(struct fetch *fetch, const struct descriptor *descriptor, struct staged *staged,
		   struct transfer *transfer, ducc_error **err)
{
	AUTO_FREE char *name = format(PRI_DIGEST, descriptor->digest.hex);
	struct blob blob;
	int result;

	blob_begin(&blob, descriptor, staged->fd);
	blob.progress = move;
	blob.ctx = transfer;
	result = blob_resume(&blob, err);
	if (!result && blob.done)
		context_notice(&fetch->session->context, DUCC_INFO,
			       "%s: %" PRIu64 " of %" PRIu64 " bytes already fetched", name,
			       blob.done, descriptor->size);
	if (!result)
		result = move(transfer, blob.done, err);
	if (!result)
		result = fetch->source.kind->blob(&fetch->source, &blob, err);
	/* Keeps a partial download, to be resumed the next time. */
	if (result < 0 && blob.done && !blob.wrong && !blob.unwritable && !blob_flush(&blob, NULL))
		staged_leave(staged);
	blob_end(&blob);
	if (!result)
		result = staged_commit(staged, err);
	if (!result)
		context_notice(&fetch->session->context, DUCC_DEBUG, "%s: %" PRIu64 " bytes", name,
			       descriptor->size);
	return result;
}

/* Begins the file of a blob in the store: returns 1 if the store has the blob by now. */
static int begin_blob(const struct fetch *fetch, const struct descriptor *descriptor,
		      struct staged *staged, ducc_error **err)
{
	AUTO_FREE char *final = store_blob_name(&descriptor->digest);

	return staged_resume(staged, &fetch->store, final, err);
}

static unsigned transfers(const ducc_session *session)
{
	return session->jobs ? session->jobs : DEFAULT_JOBS;
}

/* The progress of wanted layer i, whose name the caller keeps. */
static struct progress layer_progress(const struct fetch *fetch, size_t i, const char *name)
{
	return (struct progress){.context = &fetch->session->context,
				 .activity = DUCC_FETCHING,
				 .what = name,
				 .total = fetch->image.manifest.layers[fetch->wanted[i]].size};
}

/* Transfers a layer when its turn comes. */
static int receive_layer(struct fetch *fetch, const struct descriptor *descriptor,
			 struct staged *staged, struct transfer *transfer, ducc_error **err)
{
	AUTO_FREE char *reference = reference_format(&fetch->source.reference);
	struct span span;
	int result;

	gate_enter(transfer->gate, &transfer->pass);
	span_begin(&span, fetch->session->events, "layer_fetch", reference, &descriptor->digest);
	span_tell(&span);
	result = receive(fetch, descriptor, staged, transfer, err);
	progress_end(&transfer->progress);
	span_end(&span, result, descriptor->size, err);
	gate_leave(transfer->gate, &transfer->pass);
	return result;
}

static int fetch_layer(struct fetch *fetch, size_t i, ducc_error **err)
{
	const struct descriptor *descriptor = &fetch->image.manifest.layers[fetch->wanted[i]];
	AUTO_FREE char *name = format(PRI_DIGEST, descriptor->digest.hex);
	struct transfer transfer = {.gate = &fetch->session->gate,
				    .pass = {.key = TRANSFERS,
					     .party = fetch->source.reference.registry,
					     .limit = transfers(fetch->session)},
				    .progress = layer_progress(fetch, i, name)};
	AUTO_STAGED staged = STAGED_NONE;
	int result = begin_blob(fetch, descriptor, &staged, err);

	if (!result)
		result = receive_layer(fetch, descriptor, &staged, &transfer, err);
	else
		progress_end(&transfer.progress);
	return result < 0 ? error_wrap(err, "layer " PRI_DIGEST, descriptor->digest.hex) : 0;
}

static int download_config(struct fetch *fetch, const struct descriptor *descriptor,
			   ducc_error **err)
{
	struct transfer transfer = {.gate = NULL, .progress = {.context = NULL}};
	AUTO_STAGED staged = STAGED_NONE;
	int result = begin_blob(fetch, descriptor, &staged, err);

	return result ? result : receive(fetch, descriptor, &staged, &transfer, err);
}

/* Gets and reads the config. */
static int fetch_config(struct fetch *fetch, ducc_error **err)
{
	const struct descriptor *descriptor = &fetch->image.manifest.config;
	const struct digest *digest = &descriptor->digest;
	AUTO_FREE char *config = NULL;
	size_t len;
	int found = store_look_up(&fetch->store, digest, &config, &len, err);

	if (found < 0 ||
	    (!found && (download_config(fetch, descriptor, err) < 0 ||
			store_read_blob(&fetch->store, digest, &config, &len, err) < 0)))
		return error_wrap(err, "config " PRI_DIGEST, digest->hex);
	return stored_image_take_config(&fetch->image, STEAL(config), len, err);
}

/* Fetches the config, if there is none yet, or a layer. */
static int fetch_part(void *ctx, size_t i, ducc_error **err)
{
	struct fetch *fetch = ctx;

	if (i)
		return atomic_load(&fetch->refused) ? 0 : fetch_layer(fetch, i - 1, err);
	if (fetch->image.config_json || !fetch_config(fetch, err))
		return 0;
	atomic_store(&fetch->refused, true);
	return -1;
}

static int fetch_parts(struct fetch *fetch, ducc_error **err)
{
	for (size_t i = 0; i < fetch->n_wanted; i++) {
		const struct descriptor *layer = &fetch->image.manifest.layers[fetch->wanted[i]];
		AUTO_FREE char *name = format(PRI_DIGEST, layer->digest.hex);
		struct progress progress = layer_progress(fetch, i, name);

		progress_wait(&progress);
	}
	return parallel_run(1 + fetch->n_wanted, transfers(fetch->session), fetch_part, fetch, err);
}

/* True if exactly this image is published under its name. */
static bool is_published(const struct fetch *fetch)
{
	const struct repository *repository = &fetch->repository;
	const struct document *manifest = &fetch->resolution.document;
	AUTO_FREE char *name = reference_name(&fetch->source.reference);
	AUTO_FREE char *platform = names_platform(&fetch->resolution.platform);
	AUTO_FREE char *label = platform_label(platform, name);

	return published_has_manifest(repository, name, manifest->data, manifest->len) ||
	       published_has_manifest(repository, label, manifest->data, manifest->len);
}

/* True if the listing has its first lines, which tell whether an image was merged from it. */
static bool has_id(const struct fetch *fetch, const struct digest *layer)
{
	AUTO_CLOSE int fd = repository_open_listing(&fetch->repository, layer);
	struct digest id;

	return fd < 0 || listing_id(fd, &id) || errno;
}

/*
 * True if the repository has the layer, and it need not be published again.  If the image is to be
 * merged, it is built on the listing: if that is damaged, the layer is published again, whichever
 * images have it.
 */
static bool has_layer(struct fetch *fetch, const ducc_record *record, const struct digest *layer,
		      bool merge)
{
	if (!repository_has_layer(&fetch->repository, layer) || repair_has(record, layer))
		return false;
	if ((!merge && has_id(fetch, layer)) || !repair_is_needed(&fetch->repository, layer))
		return true;
	context_notice(&fetch->session->context, DUCC_WARNING,
		       "layer " PRI_DIGEST
		       ": its listing in repository %s is damaged; it is published again",
		       layer->hex, fetch->repository.name);
	strset_add(&fetch->damaged, layer->hex);
	return false;
}

/* True if the image is new in the repository, or the store no longer has its root file system. */
static bool is_to_be_merged(const struct fetch *fetch)
{
	AUTO_FREE char *listing = store_image_listing_name(&fetch->resolution.document.digest);

	return fetch->repository.path && (!is_published(fetch) || fetch->store.fd < 0 ||
					  path_is_absent(fetch->store.fd, listing));
}

/* Lists the layers that neither the store nor the repository has, each once. */
static int choose_layers(struct fetch *fetch, const ducc_record *record, ducc_error **err)
{
	const struct manifest *manifest = &fetch->image.manifest;
	bool merge = is_to_be_merged(fetch), published;
	AUTO_STRSET known = {NULL};

	fetch->wanted = xcalloc(manifest->n, sizeof(*fetch->wanted));
	for (size_t i = 0; i < manifest->n; i++) {
		const struct descriptor *layer = &manifest->layers[i];
		int found;

		if (!strset_add(&known, layer->digest.hex))
			continue;
		found = fetch->store.fd < 0 ? 0 : store_has_blob(&fetch->store, layer, err);
		if (found < 0)
			return -1;
		published = (!found || merge) && has_layer(fetch, record, &layer->digest, merge);
		if (!found && !published)
			fetch->wanted[fetch->n_wanted++] = i;
	}
	return 0;
}

/* --- the image -------------------------------------------------------- */

static const char *wanted_platform(const struct fetch *fetch, const ducc_record *record)
{
	const ducc_session *session = fetch->session;

	return session->platform ? session->platform : ducc_record_get(record, "platform");
}

/* Replaces the platform of the config by that of the index. */
static void use_platform(struct fetch *fetch, const struct platform *of_index)
{
	struct platform *have = &fetch->image.config.platform;
	AUTO_FREE char *of_config = platform_format(have), *text = NULL;

	if (platform_overrule(have, of_index))
		return;
	text = platform_format(have);
	context_notice(&fetch->session->context, DUCC_WARNING,
		       "the image is for %s according to the index, which counts, but for %s "
		       "according to its config",
		       text, of_config);
}

/*
 * True if the image was chosen for that platform before, although its config does not say so: it is
 * published or in the store as such, or the record names this very image.
 */
static bool was_chosen(const struct fetch *fetch, const ducc_record *record,
		       const struct platform *platform, bool agrees)
{
	AUTO_FREE char *listed = NULL;

	if (!fetch->session->platform && reference_is_pinned(&fetch->source.reference) &&
	    (repair_has_names(record) || agrees))
		return true;
	listed = store_platform(&fetch->store, &fetch->source.reference,
				&fetch->resolution.document.digest, platform);
	return listed;
}

/*
 * Checks the image against the platform of -p or the record, which add what its config lacks: an
 * image for another platform is rejected, unless it was chosen for this one before.
 */
static int match_platform(struct fetch *fetch, const ducc_record *record, ducc_error **err)
{
	struct platform *have = &fetch->image.config.platform, wanted, chosen = {NULL};
	AUTO_FREE char *text = NULL;
	bool agrees, matches;

	if (platform_parse(&wanted, wanted_platform(fetch, record), err) < 0)
		return -1;
	platform_complete(have, &wanted);
	platform_complete(&chosen, have);
	agrees = platform_overrule(&chosen, &wanted);
	matches = platform_rank(&wanted, have) > 0;
	if (!platform_same(have, &wanted) && was_chosen(fetch, record, &wanted, agrees)) {
		platform_free(have);
		*have = chosen;
		chosen = (struct platform){NULL};
		matches = true;
	}
	platform_free(&chosen);
	platform_free(&wanted);
	text = platform_format(have);
	return matches ? 0
		       : error_set(err, "the image is for %s, not for %s", text,
				   wanted_platform(fetch, record));
}

/* Decides for which platform the image is: an index that chose it knows better than its config. */
static int check_platform(struct fetch *fetch, const ducc_record *record, ducc_error **err)
{
	const struct platform *of_index = &fetch->resolution.platform;

	if (of_index->os)
		use_platform(fetch, of_index);
	else if (wanted_platform(fetch, record))
		return match_platform(fetch, record, err);
	return 0;
}

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
	bool first = config_is_first(fetch, wanted_platform(fetch, record));

	if (first && (fetch_config(fetch, err) < 0 || check_platform(fetch, record, err) < 0))
		return -1;
	if (fetch_parts(fetch, err) < 0)
		return -1;
	return first ? 0 : check_platform(fetch, record, err);
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
	int result = platform_parse(&platform, wanted_platform(fetch, record), err);

	if (!result)
		result = resolve(&fetch->resolution, &platform, err);
	platform_free(&platform);
	if (result < 0)
		return -1;
	fetch->image.manifest = fetch->resolution.manifest;
	fetch->resolution.manifest = (struct manifest){.n = 0};
	fetch->image.manifest_len = fetch->resolution.document.len;
	return choose_layers(fetch, record, err) < 0 ? -1 : check_foreign(fetch, err);
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
	const struct repository *repository = &fetch->repository;

	if (is_gone(fetch,
		    &(struct descriptor){.digest = document->digest, .size = document->len}) ||
	    is_gone(fetch, &manifest->config))
		return true;
	for (size_t i = 0; i < manifest->n; i++)
		if (is_gone(fetch, &manifest->layers[i]) &&
		    !(repository->path &&
		      repository_has_layer(repository, &manifest->layers[i].digest)))
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

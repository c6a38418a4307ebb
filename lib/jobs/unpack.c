/*
 * The job of ducc-unpack: unpacking a fetched image into layer tars and listings (ducc.h).
 *
 * First the layers that are not unpacked yet are read, several in parallel; their files stay
 * staged.  Then all layers are merged, the lowest first, which shows what each of them takes
 * from those below; that is added to the tars, and only then do they get their names.
 *
 * The trees of layers just read stay in memory until they are merged: that of the lowest, which is
 * merged next, and others up to a total of KEEP_LIMIT.  Those of the rest are read back from their
 * listings, one at a time.
 *
 * An image may contain a layer several times.  Its listing is merged each time, but its
 * tar is copied at most once, after the last time.
 */
#include "jobs/unpack.h"

#include <errno.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/parallel.h"
#include "base/text.h"
#include "content/unpacked.h"
#include "jobs/dry_run.h"
#include "jobs/events.h"
#include "jobs/image_layers.h"
#include "jobs/repair.h"
#include "jobs/targets.h"

/* --- the image in the store ------------------------------------------- */

static int by_digest(const void *a, const void *b)
{
	const struct unpack_layer *x = *(struct unpack_layer *const *)a,
				  *y = *(struct unpack_layer *const *)b;
	int order = strcmp(x->head.layer.hex, y->head.layer.hex);

	return order ? order : (x > y) - (x < y);
}

/* Sorts the layers and finds equal ones.  Returns their compressed bytes, each counted once. */
static uint64_t sort_layers(struct unpack *unpack)
{
	uint64_t compressed = 0;

	unpack->sorted = xcalloc(unpack->n, sizeof(struct unpack_layer *));
	for (size_t i = 0; i < unpack->n; i++)
		unpack->sorted[i] = &unpack->layers[i];
	qsort(unpack->sorted, unpack->n, sizeof(*unpack->sorted), by_digest);
	for (size_t i = 0; i < unpack->n; i++) {
		struct unpack_layer *layer = unpack->sorted[i];
		struct unpack_layer *before = i ? unpack->sorted[i - 1] : NULL;

		if (before && digest_equal(&before->head.layer, &layer->head.layer)) {
			layer->first = before->first;
		} else {
			layer->first = layer;
			compressed = compressed > INT64_MAX - layer->head.size
					     ? INT64_MAX
					     : compressed + layer->head.size;
		}
		layer->first->left++;
	}
	return compressed;
}

static int list_layers(struct unpack *unpack, ducc_error **err)
{
	const struct ducc_limits *limits = &unpack->session->limits;
	uint64_t compressed;

	if (stored_image_check_limits(&unpack->stored, limits, err) < 0)
		return -1;
	unpack->n = unpack->stored.manifest.n;
	unpack->layers = xcalloc(unpack->n, sizeof(*unpack->layers));
	for (size_t i = 0; i < unpack->n; i++) {
		struct unpack_layer *layer = &unpack->layers[i];

		layer->head =
			(struct listing_head){.layer = unpack->stored.manifest.layers[i].digest,
					      .diff_id = unpack->stored.config.diff_ids[i],
					      .size = unpack->stored.manifest.layers[i].size};
		layer->tar = layer->listing = (struct staged)STAGED_NONE;
	}
	for (size_t i = 0; i < unpack->n; i++)
		if (unpack->layers[i].head.size > INT64_MAX)
			return error_set(err, "layer " PRI_DIGEST ": impossible size",
					 unpack->layers[i].head.layer.hex);
	compressed = sort_layers(unpack);
	quota_begin(&unpack->bytes, limits, LIMIT_IMAGE, compressed);
	quota_begin(&unpack->written, limits, LIMIT_IMAGE_LISTING, compressed);
	quota_begin(&unpack->merged, limits, LIMIT_IMAGE_LISTING, compressed);
	return 0;
}

int unpack_open(struct unpack *unpack, const ducc_record *record, ducc_error **err)
{
	const char *repository = ducc_repository(unpack->session, record);
	struct digest manifest;

	if (dry_run_check(unpack->session, record, err) < 0 ||
	    session_need_store(unpack->session, &unpack->store, err) < 0 ||
	    (repository &&
	     targets_open(&unpack->repository, repository, unpack->session->store_path, err) < 0) ||
	    session_find_image(unpack->session, &unpack->store, record, &unpack->reference,
			       &manifest, err) < 0 ||
	    stored_image_read(&unpack->stored, &unpack->store, &manifest, err) < 0)
		return -1;
	return list_layers(unpack, err);
}

/* Gives back what the session has only so much of. */
static void give_back(struct unpack *unpack)
{
	ducc_session *session = unpack->session;

	claims_drop(&session->claims, &unpack->claim);
	atomic_fetch_sub(&session->kept, unpack->kept);
	if (unpack->kept_one)
		atomic_store(&session->kept_one, false);
}

void unpack_end(struct unpack *unpack)
{
	for (size_t i = 0; i < unpack->n; i++) {
		staged_discard(&unpack->layers[i].listing);
		staged_discard(&unpack->layers[i].tar);
		tree_free(unpack->layers[i].tree);
		tree_free(unpack->layers[i].additions);
	}
	free(unpack->layers);
	free(unpack->sorted);
	tree_free(unpack->image);
	give_back(unpack);
	stored_image_free(&unpack->stored);
	reference_free(&unpack->reference);
	repository_close(&unpack->repository);
	store_close(&unpack->store);
}

/* --- layers that are unpacked already --------------------------------- */

/* True if the repository has the layer, and it need not be published again. */
static bool is_published(const struct unpack *unpack, const struct digest *layer)
{
	return repository_has_layer(&unpack->repository, layer) &&
	       !repair_has(unpack->record, layer);
}

int unpack_open_listing(const struct unpack *unpack, const struct digest *layer, bool *in_store,
			ducc_error **err)
{
	const struct image_layers layers = {&unpack->store, &unpack->repository};
	AUTO_CLOSE int fd = image_layers_open(&layers, layer, in_store, err);

	if (fd >= 0 && !*in_store && repair_has(unpack->record, layer))
		return error_set_kind(err, DUCC_NOT_FOUND, "to be published again");
	return steal_fd(&fd);
}

bool unpack_note_id(struct unpack_layer *layer, int listing)
{
	if (listing_id(listing, &layer->first->id))
		return true;
	layer->first->id = (struct digest){""};
	return !errno;
}

struct digest unpack_layers_id(const struct unpack *unpack)
{
	AUTO_FREE struct digest *ids = xcalloc(unpack->n, sizeof(*ids));

	for (size_t i = 0; i < unpack->n; i++)
		ids[i] = unpack->layers[i].first->id;
	return image_layers_id(ids, unpack->n);
}

int unpack_has_layer(const struct unpack *unpack, struct unpack_layer *layer, bool *in_store,
		     ducc_error **err)
{
	const struct digest *digest = &layer->head.layer;
	ducc_error *error = NULL;
	AUTO_CLOSE int listing = unpack_open_listing(unpack, digest, in_store, &error);
	int found;

	if (listing < 0)
		return error_pass_failure(err, error);
	if (!unpack_note_id(layer, listing))
		return error_errno(err, errno, "listing of layer " PRI_DIGEST, digest->hex);
	found = *in_store ? unpacked_has_tar(&unpack->store, digest, listing, err) : 0;
	if (found)
		return found;
	*in_store = false;
	return is_published(unpack, digest);
}

/* True if nothing is to do: the image was merged from these listings of its layers, which are there. */
static bool is_complete(const struct unpack *unpack, size_t missing)
{
	AUTO_FREE char *name = store_image_listing_name(&unpack->stored.digest);
	AUTO_CLOSE int listing = unpacked_open_listing(&unpack->store, name, NULL);
	struct listing_image recorded;
	struct digest now;

	if (listing < 0 || missing)
		return false;
	now = unpack_layers_id(unpack);
	return listing_image_of(listing, &recorded) && digest_equal(&recorded.layers, &now);
}

/* --- images at the same time ------------------------------------------ */

/*
 * Threads may unpack several images at once (ducc.h).  The gate of the session bounds how many; and
 * its slots, how many layers are read and images merged, those of the first image first.
 *
 * An image locks the files of its fresh layers until it is merged, and then those of others to which
 * it adds entries.  So that no two images wait for each other, each first claims all layers that it
 * may lock: those that are not in the store.  Images share a claim to a layer that the same
 * repository has, which is fresh for none of them.
 */
#define IMAGES "unpack" /* the key of the gate; the others are fetch.c's */
#define MOST_IMAGES 16u

static unsigned most_images(const ducc_session *session)
{
	unsigned jobs = parallel_jobs(session->jobs);

	return jobs < MOST_IMAGES ? jobs + 1 : MOST_IMAGES;
}

/* Counts the missing layers.  *claim, unless NULL, becomes that of the image. */
static int count_missing(struct unpack *unpack, struct claim *claim, size_t *missing,
			 ducc_error **err)
{
	static char alone[] = "";

	*missing = 0;
	for (size_t i = 0; i < unpack->n; i++) {
		struct unpack_layer *layer = &unpack->layers[i];
		bool in_store = true;
		int found = 1;

		if (layer->first == layer)
			found = unpack_has_layer(unpack, layer, &in_store, err);
		if (found < 0)
			return -1;
		*missing += !found;
		if (claim && (!found || !in_store))
			strmap_put(&claim->names, layer->head.layer.hex,
				   found ? unpack->repository.path : alone);
	}
	return 0;
}

/* Claims the layers, and counts the missing ones. */
static int claim_layers(struct unpack *unpack, size_t *missing, ducc_error **err)
{
	ducc_session *session = unpack->session;

	if (count_missing(unpack, &unpack->claim, missing, err) < 0)
		return -1;
	if (session->dry_run || !claims_take(&session->claims, &unpack->claim))
		return 0;
	return count_missing(unpack, NULL, missing, err);
}

/* --- the job ---------------------------------------------------------- */

static int unpack_image(struct unpack *unpack, struct subject *subject, struct span *span,
			ducc_error **err)
{
	size_t missing;

	if (unpack_open(unpack, unpack->record, err) < 0 || claim_layers(unpack, &missing, err) < 0)
		return -1;
	if (!subject->seconds) /* the first time */
		session_limit(unpack->session, subject);
	context_notice(&unpack->session->context, DUCC_INFO, "%s %zu of %zu layer%s",
		       unpack->session->dry_run ? "would unpack" : "unpacking", missing, unpack->n,
		       text_plural(unpack->n));
	if (unpack->session->dry_run)
		return 0;
	session_sweep(unpack->session, &unpack->store);
	if (is_complete(unpack, missing))
		return 0;
	span_tell(span);
	if (store_complete(&unpack->store, err) < 0)
		return -1;
	if (unpack_read(unpack, err) < 0)
		return -1;
	return unpack_merge(unpack, err);
}

/* One blob was damaged: discards all others that are, to be fetched together. */
static void verify_blobs(const struct unpack *unpack)
{
	for (size_t i = 0; i < unpack->n; i++)
		if (unpack->layers[i].fresh)
			store_verify_blob(&unpack->store, &unpack->layers[i].head.layer, NULL);
}

/* Others may change the layers meanwhile, or remove them: *changed is true if it is to be tried again. */
static int unpack_once(ducc_session *session, const ducc_record *record, unsigned rank,
		       struct subject *subject, struct span *span, bool *changed, ducc_error **err)
{
	struct unpack unpack = {
		.session = session, .record = record, .rank = rank, .store = {.fd = -1}};
	ducc_error *error = NULL;
	int result = unpack_image(&unpack, subject, span, &error);

	if (error && ducc_error_kind(error) == DUCC_DAMAGED)
		verify_blobs(&unpack);
	*changed = unpack.changed;
	unpack_end(&unpack);
	return result < 0 ? error_give(err, error) : 0;
}

#define MOST_TRIES 100

static int unpack(ducc_session *session, const ducc_record *record, struct subject *subject,
		  struct span *span, ducc_error **err)
{
	unsigned rank = atomic_fetch_add(&session->begun, 1);

	for (size_t tries = 1;; tries++) {
		ducc_error *error = NULL;
		bool changed;

		if (!unpack_once(session, record, rank, subject, span, &changed, &error))
			return 0;
		if (!changed || tries == MOST_TRIES)
			return error_give(err, error);
		ducc_error_free(error);
		context_notice(&session->context, DUCC_INFO, "a layer was changed meanwhile");
	}
}

int ducc_unpack(ducc_session *session, const ducc_record *record, ducc_error **err)
{
	struct subject subject = {.name = ducc_record_reference(record)};
	const struct pass pass = {.key = IMAGES, .party = "", .limit = most_images(session)};
	ducc_error *error = NULL;
	struct span span;
	int result;

	gate_enter(&session->gate, &pass);
	context_set_subject(&subject);
	span_begin(&span, session->events, "image_unpack", ducc_record_reference(record), NULL);
	result = unpack(session, record, &subject, &span, &error);
	session_advise(session, &error);
	if (result < 0 && dry_run_excuses(session, record, "unpack it after fetching it", &error))
		result = 0;
	span_end(&span, result, 0, &error);
	gate_leave(&session->gate, &pass);
	context_set_subject(NULL);
	return result < 0 ? error_give(err, error) : 0;
}

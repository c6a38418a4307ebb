/* Receiving the config and the layers of an image: see fetch.h. */
#include <inttypes.h>

#include "base/parallel.h"
#include "base/progress.h"
#include "jobs/fetch.h"
#include "store/staged.h"

#define DEFAULT_JOBS 6 /* layers in transfer */

/*
 * Threads may fetch several images at once (ducc.h).  The gate of the session bounds how many
 * are in progress for each registry, and how many layers are in transfer as a whole.
 *
 * Registries share the transfers: if one has several and another none, a layer of the first pauses,
 * with its connection, so that a layer of the other can be transferred.  As it keeps the lock of its
 * file in the store, nobody may wait for such a lock while in transfer: the lock comes first.
 */
#define TRANSFERS "" /* their key; those of images are the names of registries */

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

int fetch_config(struct fetch *fetch, ducc_error **err)
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

int fetch_parts(struct fetch *fetch, ducc_error **err)
{
	for (size_t i = 0; i < fetch->n_wanted; i++) {
		const struct descriptor *layer = &fetch->image.manifest.layers[fetch->wanted[i]];
		AUTO_FREE char *name = format(PRI_DIGEST, layer->digest.hex);
		struct progress progress = layer_progress(fetch, i, name);

		progress_wait(&progress);
	}
	return parallel_run(1 + fetch->n_wanted, transfers(fetch->session), fetch_part, fetch, err);
}

/*
 * CernVM-FS as a kind of repository (target.h): its name contains no slash.
 *
 * Additions are written to a tar in an unnamed temporary file: flat trees as hard links to
 * the files of layers, metadata, links (payload.h).  A commit feeds one `cvmfs_server
 * ingest` with that tar and with the layers, whose tars are in the store.
 */
#include "cvmfs/cvmfs.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/process.h"
#include "cvmfs/additions.h"
#include "cvmfs/chunking.h"
#include "cvmfs/config.h"
#include "cvmfs/layer_sender.h"
#include "cvmfs/log.h"
#include "cvmfs/metadata_copy.h"
#include "cvmfs/mount.h"
#include "cvmfs/newest.h"
#include "cvmfs/runner.h"
#include "cvmfs/stages.h"
#include "format/repo_paths.h"

/* --- removals --------------------------------------------------------- */

static int remove_path(struct transaction *transaction, const char *path, ducc_error **err)
{
	struct cvmfs *cvmfs = cvmfs_of(transaction);

	(void)err;
	GROW(cvmfs->removed, cvmfs->n_removed, cvmfs->removed_capacity);
	cvmfs->removed[cvmfs->n_removed++] = xstrdup(path);
	return 0;
}

/* It is removed in a transaction of its own, before this one. */
static int clear(struct transaction *transaction, const char *path, ducc_error **err)
{
	(void)err;
	strset_add(&cvmfs_of(transaction)->mending.removals, path);
	return 0;
}

/*
 * True if the transaction only removes paths that `cvmfs_server ingest' can remove, which is fast:
 * it accepts no colons.  Through a gateway, it would read and remove a path in two steps, between
 * which others can publish.
 */
static bool only_removes(const struct cvmfs *cvmfs)
{
	if (cvmfs->base.repository->shared || cvmfs->base.steps > cvmfs->n_removed)
		return false;
	for (size_t i = 0; i < cvmfs->n_removed; i++)
		if (strchr(cvmfs->removed[i], ':'))
			return false;
	return true;
}

/* True if files are to be removed in place. */
static bool has_edits(const struct cvmfs *cvmfs)
{
	return cvmfs->n_removed && !only_removes(cvmfs);
}

static int commit_edit(struct cvmfs *cvmfs, ducc_error **err)
{
	uint64_t size;

	if (payload_finish(&cvmfs->payload, &size, err) < 0 ||
	    (size && edit_put(cvmfs->edit, cvmfs->payload.fd, err) < 0))
		return -1;
	for (size_t i = 0; i < cvmfs->n_removed; i++) {
		if (context_cancelled(cvmfs->base.context))
			return context_interrupted(err);
		if (edit_remove(cvmfs->edit, cvmfs->removed[i], err) < 0)
			return -1;
	}
	return edit_finish(cvmfs->edit, err);
}

static bool adds_something(const struct cvmfs *cvmfs)
{
	return cvmfs->base.steps > cvmfs->n_removed + cvmfs->n_splits;
}

/* --- a transaction ---------------------------------------------------- */

static void forget(char **paths, size_t *n, size_t left)
{
	while (*n > left)
		free(paths[--*n]);
}

static void save(struct transaction *transaction)
{
	struct cvmfs *cvmfs = cvmfs_of(transaction);

	cvmfs->saved.layers = cvmfs->n_layers;
	cvmfs->saved.mending = mending_mark(&cvmfs->mending);
	cvmfs->saved.removed = cvmfs->n_removed;
	cvmfs->saved.probes = cvmfs->probes.n;
	cvmfs->saved.splits = cvmfs->n_splits;
	cvmfs->saved.staging = staging_mark(&cvmfs->staging);
	cvmfs->saved.payload = payload_mark(&cvmfs->payload);
}

static void restore(struct transaction *transaction, bool nothing)
{
	struct cvmfs *cvmfs = cvmfs_of(transaction);

	if (nothing)
		memset(&cvmfs->saved, 0, sizeof(cvmfs->saved));
	cvmfs->n_layers = cvmfs->saved.layers;
	mending_reset(&cvmfs->mending, cvmfs->saved.mending);
	forget(cvmfs->removed, &cvmfs->n_removed, cvmfs->saved.removed);
	probes_forget(&cvmfs->probes, cvmfs->saved.probes);
	cvmfs->n_splits = cvmfs->saved.splits;
	staging_reset(&cvmfs->staging, cvmfs->saved.staging);
	payload_reset(&cvmfs->payload, cvmfs->saved.payload);
}

/* The copy in the store, if that is read instead of the repository, must be up to date. */
static int check_copy(struct cvmfs *cvmfs, ducc_error **err)
{
	const struct transaction *base = &cvmfs->base;

	if (!base->repository->metadata_only)
		return 0;
	return metadata_copy_check(base->context, base->repository, &cvmfs->copied, err);
}

static int open_ingest(struct cvmfs *cvmfs, ducc_error **err)
{
	const struct transaction *base = &cvmfs->base;
	AUTO_BUFFER head = {0};

	if (repository_check_type(base->repository, LOG_LAST, S_IFREG, err) < 0)
		return -1;
	free(cvmfs->log);
	cvmfs->log = log_name();
	if (log_print_head(&head, cvmfs->log, cvmfs->payload.now, err) < 0)
		return -1;
	cvmfs->ingest = ingest_begin(base->context, base->repository, head.data, head.len, err);
	return cvmfs->ingest ? check_copy(cvmfs, err) : -1;
}

static int open_edit(struct cvmfs *cvmfs, ducc_error **err)
{
	cvmfs->edit = edit_begin(cvmfs->base.context, cvmfs->base.repository, err);
	return cvmfs->edit ? 0 : -1;
}

/*
 * True if devices would be lost, and thus whiteouts: a gateway keeps them only in nested catalogs
 * that exist before.
 */
static bool lacks_catalogs(const struct cvmfs *cvmfs)
{
	const struct repository *repository = cvmfs->base.repository;

	return repository->shared && !repository->metadata_only && cvmfs->base.added.n &&
	       (!repository_has(repository, REPO_LAYERS "/" CATALOG_MARKER) ||
		!repository_has(repository, REPO_FLAT "/" CATALOG_MARKER));
}

/* Notes the current revision; 1 if it is not the one before, or -1. */
static int is_changed(struct cvmfs *cvmfs, ducc_error **err)
{
	AUTO_FREE char *before = cvmfs->revision;

	if (newest_mounted(cvmfs->base.repository, &cvmfs->revision, err) < 0)
		return -1;
	return cvmfs->revision && before && strcmp(cvmfs->revision, before) != 0;
}

/* Removes and changes what an ingest cannot; 1: all additions must be repeated. */
static int mend(struct cvmfs *cvmfs, ducc_error **err)
{
	if (!mending_is_pending(&cvmfs->mending))
		return 0;
	/* Additions were repeated: what is open lacks something. */
	ingest_free(STEAL(cvmfs->ingest));
	edit_free(STEAL(cvmfs->edit));
	if (mending_run(&cvmfs->mending, cvmfs->base.context, cvmfs->base.repository, err) < 0)
		return -1;
	return is_changed(cvmfs, err) < 0 ? -1 : 1;
}

/* Whatever comes before the ingest; 1: all additions must be repeated. */
static int prepare_ingest(struct cvmfs *cvmfs, bool *changed, ducc_error **err)
{
	bool lacking = lacks_catalogs(cvmfs);
	int result;

	if (!lacking && !staging_is_pending(&cvmfs->staging, 0) &&
	    !staging_is_pending(&cvmfs->staging, 1))
		return 0;
	ingest_free(STEAL(cvmfs->ingest));
	result = stages_publish(&cvmfs->staging, lacking, &cvmfs->revision, changed, err);
	*changed |= lacking; /* the additions have these catalogs, too */
	return result;
}

/* Prepares the removal of trees that ducc has not published; 1: additions must be repeated. */
static int prepare_edits(struct cvmfs *cvmfs, ducc_error **err)
{
	const struct transaction *base = &cvmfs->base;
	int any = 0;

	for (size_t i = 0; i < cvmfs->n_removed && any >= 0; i++) {
		struct digest layer;
		AUTO_FREE char *listing = NULL;
		int result;

		if (repo_tree_at(cvmfs->removed[i], &layer) != REPO_TREE_LAYER)
			continue;
		listing = layer_listing(&layer);
		if (repository_has(base->repository, listing))
			continue;
		result = mending_prepare_removal(base->context, base->repository, cvmfs->removed[i],
						 err);
		any = result ? result : any;
	}
	return any > 0 ? is_changed(cvmfs, err) : any;
}

static int open_transaction(struct transaction *transaction, ducc_error **err)
{
	struct cvmfs *cvmfs = cvmfs_of(transaction);
	bool changed = false;
	int result;

	if (!transaction->repository->metadata_only &&
	    metadata_copy_remove(transaction->store, transaction->repository, err) < 0)
		return -1;
	result = mend(cvmfs, err);
	if (result)
		return result;
	if (has_edits(cvmfs)) {
		result = cvmfs->edit ? 0 : prepare_edits(cvmfs, err);
		if (result)
			return result;
		if (!cvmfs->edit && open_edit(cvmfs, err) < 0)
			return -1;
	} else if (adds_something(cvmfs) || cvmfs->n_splits) {
		result = prepare_ingest(cvmfs, &changed, err);
		if (result)
			return result;
		if (adds_something(cvmfs) && !cvmfs->ingest && open_ingest(cvmfs, err) < 0)
			return -1;
	}
	result = is_changed(cvmfs, err);
	if (result < 0)
		return -1;
	changed |= result;
	if (changed && stages_check(&cvmfs->staging, err) < 0)
		return -1;
	return changed;
}

/* What the ingest has completed is no longer noted as staged; a failure costs only time. */
static void forget_staged(const struct cvmfs *cvmfs)
{
	ducc_error *err = NULL;

	if (cvmfs->staging.trees.keys.n && stages_done(&cvmfs->staging, &err) < 0)
		context_notice(cvmfs->base.context, DUCC_WARNING, "%s", ducc_error_message(err));
	ducc_error_free(err);
}

/* Checks a part of what is published; unless others have published since, all of it is complete. */
static void look_back(const struct cvmfs *cvmfs, unsigned long long before)
{
	const struct transaction *transaction = &cvmfs->base;
	const struct repository *repository = transaction->repository;

	if (newest_is_mounted(transaction->context, repository, NULL) == 1)
		probes_look(&cvmfs->probes, transaction->context, repository);
	if (before && newest_number(repository) == before + 1)
		staging_note_complete(&cvmfs->staging, cvmfs->layers, cvmfs->n_layers);
}

/* Feeding an ingest: first the payload, then each layer. */
struct feeding {
	struct cvmfs *cvmfs;
	uint64_t size;           /* of the payload */
	size_t step;             /* 0: the payload; i: layer i, from 1 */
	struct tree *now, *next; /* listings of the layer of this step and of the next */
};

static int feed(struct feeding *feeding, ducc_error **err)
{
	struct cvmfs *cvmfs = feeding->cvmfs;

	if (!feeding->step)
		return ingest_copy(cvmfs->ingest, cvmfs->payload.fd, feeding->size, err);
	return layer_send(cvmfs->ingest, &cvmfs->staging, &cvmfs->layers[feeding->step - 1],
			  feeding->now, err);
}

/* One half of a step: the ingest is fed while the listing for the next step is read. */
static int feed_half(void *ctx, size_t half, ducc_error **err)
{
	struct feeding *feeding = ctx;
	const struct cvmfs *cvmfs = feeding->cvmfs;

	if (!half)
		return feed(feeding, err);
	if (feeding->step == cvmfs->n_layers)
		return 0;
	feeding->next = layer_send_listing(&cvmfs->staging, &cvmfs->layers[feeding->step], err);
	return feeding->next ? 0 : -1;
}

static int feed_all(struct cvmfs *cvmfs, uint64_t size, ducc_error **err)
{
	struct feeding feeding = {.cvmfs = cvmfs, .size = size};
	int result = 0;

	for (; !result && feeding.step <= cvmfs->n_layers; feeding.step++) {
		result = parallel_run(2, 2, feed_half, &feeding, err);
		tree_free(feeding.now);
		feeding.now = STEAL(feeding.next);
	}
	tree_free(feeding.now);
	return result;
}

static int commit_ingest(struct cvmfs *cvmfs, ducc_error **err)
{
	const struct transaction *transaction = &cvmfs->base;
	unsigned long long before = newest_number(transaction->repository);
	AUTO_BUFFER tail = {0};
	uint64_t size;

	if (payload_finish(&cvmfs->payload, &size, err) < 0 ||
	    log_print_tail(&tail, cvmfs->log, cvmfs->payload.now, &transaction->added, err) < 0 ||
	    feed_all(cvmfs, size, err) < 0 ||
	    ingest_write(cvmfs->ingest, tail.data, tail.len, err) < 0 ||
	    ingest_finish(cvmfs->ingest, err) < 0)
		return -1;
	forget_staged(cvmfs);
	if (transaction->repository->metadata_only)
		metadata_copy_update(transaction->context, transaction->repository,
				     cvmfs->payload.fd, cvmfs->copied);
	else
		look_back(cvmfs, before);
	return 0;
}

static int commit(struct transaction *transaction, ducc_error **err)
{
	struct cvmfs *cvmfs = cvmfs_of(transaction);

	/* After a change by others, another kind of transaction may be needed. */
	if (!cvmfs->edit && (has_edits(cvmfs) || (!cvmfs->ingest && adds_something(cvmfs))))
		return error_set(err, "changed by others in the meantime; try again");
	if (cvmfs->edit)
		return commit_edit(cvmfs, err);
	if (cvmfs->ingest)
		return commit_ingest(cvmfs, err);
	return ingest_remove_all(transaction->context, transaction->repository,
				 (const char *const *)cvmfs->removed, cvmfs->n_removed, err);
}

/*
 * Removes what was staged, by this transaction or before, if no ingest has followed.  If that is
 * not possible now, the journal remains.
 */
static void clear_up_staging(const struct transaction *base)
{
	ducc_error *err = NULL;

	if (stages_clear_up(base->context, base->repository, &err) < 0)
		context_notice(base->context, DUCC_WARNING, "%s: incomplete trees are left: %s",
			       base->repository->name, ducc_error_message(err));
	ducc_error_free(err);
}

static void end(struct transaction *transaction)
{
	struct cvmfs *cvmfs = cvmfs_of(transaction);

	ingest_free(cvmfs->ingest);
	edit_free(cvmfs->edit);
	if (cvmfs->lock >= 0 && cvmfs->staging.trees.keys.n)
		clear_up_staging(&cvmfs->base);
	staging_free(&cvmfs->staging);
	payload_close(&cvmfs->payload);
	cleanup_close(&cvmfs->lock);
	forget(cvmfs->removed, &cvmfs->n_removed, 0);
	mending_free(&cvmfs->mending);
	free(cvmfs->removed);
	probes_free(&cvmfs->probes);
	free(cvmfs->layers);
	free(cvmfs->revision);
	free(cvmfs->log);
	free(cvmfs);
}

/* The content of the repository, or at least its metadata, must be readable. */
static int check_readable(const struct transaction *base, ducc_error **err)
{
	const char *name = base->repository->name;

	if (base->repository->path)
		return 0;
	return error_set(err,
			 "not mounted here, and the store has no copy of its metadata; either "
			 "mount it (`cvmfs_server mount %s'), or create the directory "
			 "%s/repositories/%s, empty if ducc has published nothing in it, else "
			 "with .metadata, podmanStore and .layers/*/*/.metadata from a client",
			 name, base->store->path, name);
}

/* If other machines have published, a transaction switches the mount to the newest revision. */
static int refresh(const struct transaction *base, ducc_error **err)
{
	int result = newest_is_mounted(base->context, base->repository, err);
	struct edit *edit;

	if (result)
		return result < 0 ? -1 : 0;
	edit = edit_begin(base->context, base->repository, err);
	edit_free(edit);
	return edit ? 0 : -1;
}

static struct transaction *begin(struct context *context, const struct store *store,
				 struct repository *repository, ducc_error **err)
{
	struct cvmfs *cvmfs = xcalloc(1, sizeof(*cvmfs));

	cvmfs->base = (struct transaction){.target = &cvmfs_target,
					   .context = context,
					   .store = store,
					   .repository = repository};
	cvmfs->payload.fd = -1;
	cvmfs->lock = runner_lock(context, repository, err);
	if (cvmfs->lock >= 0) /* before that, an ingest may have been switching revisions */
		mount_find(repository, store->path);
	if (cvmfs->lock >= 0 && !check_readable(&cvmfs->base, err) && !check_copy(cvmfs, err) &&
	    !refresh(&cvmfs->base, err) &&
	    !payload_open(&cvmfs->payload, context, store, repository, err)) {
		clear_up_staging(&cvmfs->base);
		if (!staging_init(&cvmfs->staging, context, store, repository, &cvmfs->base.added,
				  repository->chunk_bytes, err) &&
		    newest_mounted(repository, &cvmfs->revision, err) >= 0)
			return &cvmfs->base;
	}
	end(&cvmfs->base);
	return NULL;
}

/* --- the repository ----------------------------------------------------- */

/* A fully qualified host name, safe as an argument of cvmfs_server and in paths. */
static bool is_name(const char *name)
{
	return *name && *name != '.' && *name != '-' &&
	       !name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				  ".-_")];
}

static int find(struct repository *repository, const char *store, ducc_error **err)
{
	(void)err;
	mount_find(repository, store);
	/* If that is unknown, a publisher fails when it asks for the newest revision. */
	repository->shared = config_has_gateway(repository, NULL) != 0;
	return repository->path != NULL;
}

static char *url(const struct repository *repository, ducc_error **err)
{
	(void)err;
	return format("cvmfs://%s", repository->name);
}

static char *root(const struct repository *repository)
{
	return format("/cvmfs/%s", repository->name);
}

static char *revision(const struct repository *repository)
{
	char *hash;

	newest_mounted(repository, &hash, NULL);
	return hash;
}

/* Runs the garbage collection of CernVM-FS itself. */
static int collect(const struct repository *repository, struct context *context, ducc_error **err)
{
	char *const argv[] = {CVMFS_SERVER, "gc", "-f", repository->name, NULL};
	struct process process;

	if (process_start(&process, argv, false, err) < 0)
		return -1;
	return process_finish(&process, CVMFS_SERVER " gc", context, err);
}

const struct target cvmfs_target = {
	.is_name = is_name,
	.find = find,
	.url = url,
	.root = root,
	.collect = collect,
	.hold = runner_hold,
	.revision = revision,
	.variants = true,
	.reduces = true,
	.check_file = chunking_check,
	.removes_later = true,
	.begin = begin,
	.tree = cvmfs_add_tree,
	.split = cvmfs_split,
	.complete = cvmfs_complete,
	.entry = cvmfs_add_entry,
	.remove = remove_path,
	.clear = clear,
	.save = save,
	.restore = restore,
	.open = open_transaction,
	.commit = commit,
	.end = end,
};

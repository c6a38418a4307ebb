/*
 * CernVM-FS as a kind of repository (target.h): its name contains no slash.
 *
 * Additions are written to a tar in an unnamed temporary file: flat trees as hard links to
 * the files of layers, metadata, links (payload.h).  A commit feeds one `cvmfs_server
 * ingest` with that tar and with the layers, whose tars are in the store.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cvmfs/cvmfs.h"

#include "base/buffer.h"
#include "base/entries.h"
#include "base/mem.h"
#include "base/path.h"
#include "content/layer_tar.h"
#include "content/unpacked.h"
#include "cvmfs/catalogs.h"
#include "cvmfs/chunking.h"
#include "cvmfs/config.h"
#include "cvmfs/edit.h"
#include "cvmfs/ingest.h"
#include "cvmfs/layer_sender.h"
#include "cvmfs/log.h"
#include "cvmfs/mend.h"
#include "cvmfs/metadata_copy.h"
#include "cvmfs/mount.h"
#include "cvmfs/newest.h"
#include "cvmfs/payload.h"
#include "cvmfs/probes.h"
#include "cvmfs/runner.h"
#include "cvmfs/stages.h"
#include "format/repo_paths.h"
#include "repo/target.h"
#include "repo/transaction.h"

#define BUNDLES ".cvmfsbundles"

struct cvmfs {
	struct transaction base;
	int lock;
	char *revision; /* published when the transaction began; NULL: unknown */
	struct payload payload;
	struct digest *layers; /* new layers, whose tars are sent */
	size_t n_layers, layers_capacity;
	struct strset replaced; /* directories of trees that exist already ... */
	struct mending mending; /* ... and what an ingest cannot replace in them */
	char **removed;         /* by transaction_remove() */
	size_t n_removed, removed_capacity;
	size_t n_splits; /* by transaction_split() */
	struct probes probes;
	struct staging staging;
	struct {
		size_t layers, removed, splits, probes;
		struct mending_mark mending;
		struct staging_mark staging;
		struct payload_mark payload;
	} saved;
	char *log;             /* path of the entry in the log */
	struct ingest *ingest; /* the open transaction is one of these two */
	struct edit *edit;
};

static struct cvmfs *cvmfs_of(struct transaction *transaction)
{
	return (struct cvmfs *)transaction;
}

/* --- layers ----------------------------------------------------------- */

/* Checks for what makes ingest refuse everything. */
static int check_name(const struct node *node, const struct buffer *path, size_t longest,
		      ducc_error **err)
{
	const struct file *file = node->file;

	if (!strcmp(node->name, CATALOG_MARKER) && !(file && S_ISREG(file->mode)))
		return error_set(err, "%s: CernVM-FS requires this to be a regular file",
				 path->data);
	if (!strcmp(node->name, BUNDLES))
		return error_set(err, "%s: CernVM-FS reserves this name", path->data);
	if (path->len > longest)
		return error_set(err, "%.64s...: path of %zu bytes; CernVM-FS accepts %zu here",
				 path->data, path->len, longest);
	return 0;
}

/* Checks paths, and link targets that have a special meaning in CernVM-FS. */
static int check_names(struct cvmfs *cvmfs, const char *where, struct tree *tree, ducc_error **err)
{
	AUTO_FREE char *mount = mount_spool(cvmfs->base.repository, "rdonly");
	AUTO_FREE char *above = format("%s/%s/", mount, where); /* ingest looks for each entry */
	size_t longest = PATH_MAX - 1 - strlen(above);
	struct node *root = tree_root(tree);
	AUTO_BUFFER path = {0};

	for (struct node *node = tree_next(root, root); node; node = tree_next(root, node)) {
		const struct file *file = node->file;

		node_path(node, &path);
		if (check_name(node, &path, longest, err) < 0)
			return -1;
		if (file && file->target && strstr(file->target, "$("))
			context_notice(cvmfs->base.context, DUCC_WARNING,
				       "%s/%s: symbolic link to %s: clients of CernVM-FS expand "
				       "$(...)",
				       where, path.data, file->target);
	}
	return 0;
}

static int complete_layer(struct transaction *transaction, const struct listing_head *head,
			  struct tree *tree, const struct tree *published, ducc_error **err)
{
	struct cvmfs *cvmfs = cvmfs_of(transaction);
	struct node *root = tree_root(tree);
	AUTO_FREE char *at = repository_layer_root(transaction->repository, &head->layer);
	AUTO_BUFFER path = {0};

	for (struct node *node = root; node; node = tree_next(root, node)) {
		bool whiteout = node_is_whiteout(node) && !(node->flags & NODE_VOID);
		AUTO_FREE char *name = NULL;
		int result;

		if (!whiteout && !(node->flags & NODE_IMPLIED && node_is_dir(node)))
			continue;
		node_path(node, &path);
		if (node_is_entry(tree_find(published, path.data)))
			continue;
		name = format("%s%s%s", at, path.len ? "/" : "", path.data);
		result = whiteout ? tarball_whiteout(cvmfs->payload.tarball, name, err)
				  : tarball_entry(cvmfs->payload.tarball, name, node->file, NULL,
						  err);
		if (result < 0)
			return error_wrap(err, "%s", name);
	}
	return payload_add_listing(&cvmfs->payload, head, tree, err);
}

/* --- trees ------------------------------------------------------------ */

/* Checks that the store has the tar, which the commit sends. */
static int check_layer_tar(const struct store *store, const struct digest *layer, ducc_error **err)
{
	AUTO_CLOSE int fd = unpacked_open_tar(store, layer, err);

	return fd < 0 ? -1 : 0;
}

/* Sends the content of a published file again. */
static int add_copy(struct cvmfs *cvmfs, const char *path, const struct file *file,
		    const char *from, ducc_error **err)
{
	AUTO_CLOSE int root = repository_root(cvmfs->base.repository);
	AUTO_CLOSE int fd = root < 0 ? -1 : path_open_file(root, from);
	AUTO_PIECES pieces = pieces_of(fd, 0, file->size);
	struct hasher *hasher = hasher_new();
	uint8_t sha256[SHA256_SIZE];
	int result = fd < 0 ? error_errno(err, errno, "%s", from)
			    : tarball_entry(cvmfs->payload.tarball, path, file, NULL, err);

	while (!result && pieces_next(&pieces)) {
		hasher_update(hasher, pieces.data, pieces.len);
		result = tarball_data(cvmfs->payload.tarball, pieces.data, pieces.len, err);
	}
	if (!result && pieces.error)
		result = error_errno(err, pieces.error, "%s", from);
	hasher_final(hasher, sha256);
	hasher_free(hasher);
	if (!result && memcmp(sha256, file->sha256, sizeof(sha256)) != 0)
		result = error_set(err, "%s: published content does not match the listing", from);
	return result;
}

/* Sends the content of a file that is not published yet, from its layer's tar. */
static int add_from_tar(struct cvmfs *cvmfs, const char *path, const struct file *file,
			ducc_error **err)
{
	AUTO_CLOSE int fd = unpacked_open_tar(cvmfs->base.store, file->layer, err);
	AUTO_LAYER_TAR tar = {.reader = NULL};
	const char *there;
	int result = 1;

	if (fd < 0)
		return -1;
	layer_tar_open(&tar, fd, file->layer);
	while (result > 0 && (result = layer_tar_next(&tar, &there, err)) > 0)
		if (tar.has_content && !strcmp(there, file->origin))
			break;
	if (!result)
		return error_set_kind(err, DUCC_CORRUPT, "%s: missing from the layer's tar",
				      file->origin);
	if (result < 0 || tarball_entry(cvmfs->payload.tarball, path, file, NULL, err) < 0)
		return -1;
	return layer_tar_copy(&tar, file, tarball_sink, cvmfs->payload.tarball, err);
}

/* Adds an entry of a flat tree with the content of a layer's file. */
static int add_published(struct cvmfs *cvmfs, const char *path, const struct file *file,
			 ducc_error **err)
{
	struct location location =
		staging_locate(&cvmfs->staging, file->layer, file->origin, file->size);
	AUTO_FREE char *from = location.path;

	/* Hard links to files in chunks are impossible. */
	if (location.kind == LOCATION_STAGED)
		return add_from_tar(cvmfs, path, file, err);
	if (location.kind == LOCATION_CHUNKS)
		return add_copy(cvmfs, path, file, from, err);
	return tarball_entry(cvmfs->payload.tarball, path, file, from, err);
}

/*
 * Adds one entry of a tree, unless it is staged.  The tar of a layer contains the rest of
 * the layer, but may have directories after their content: ingest would create those with
 * made-up metadata.
 */
static int add_node(struct cvmfs *cvmfs, const char *path, const struct node *node,
		    const struct digest *own, const struct file *special, ducc_error **err)
{
	const struct file *file = node->file;
	AUTO_CONTENT content = {.kind = CONTENT_NONE};

	if (special)
		return special->target && !special->text
			       ? tarball_entry(cvmfs->payload.tarball, path, file, special->target,
					       err)
			       : 0;
	if (own && node->needed && node_is_whiteout(node))
		return tarball_whiteout(cvmfs->payload.tarball, path, err);
	if (own && !node_is_dir(node))
		return 0;
	content = content_of(file, own);
	switch (content.kind) {
	case CONTENT_DATA:
		return payload_add_data(&cvmfs->payload, path, file, content.data, err);
	case CONTENT_PUBLISHED:
		if (S_ISREG(file->mode))
			return add_published(cvmfs, path, file, err);
		break;
	case CONTENT_LAYER:
	case CONTENT_NONE:
		break;
	}
	return tarball_entry(cvmfs->payload.tarball, path, file, content.path, err);
}

/* Counts a file of a new layer. */
static void count(struct transaction *transaction, const struct file *file,
		  const struct file *special)
{
	enum way way = !special           ? SENT
		       : !special->target ? CHUNKED
		       : special->text    ? GRAFTED
					  : LINKED;

	amount_add(&transaction->amounts.by[way], (struct amount){1, file->size});
}

static int add_nodes(struct cvmfs *cvmfs, const char *at, struct tree *tree,
		     const struct digest *own, const struct staged_tree *staged, ducc_error **err)
{
	struct node *root = tree_root(tree);
	AUTO_BUFFER path = {0};

	for (struct node *node = root; node; node = tree_next(root, node)) {
		AUTO_FREE char *name = NULL;
		const struct file *special;

		node_path(node, &path);
		special = staged_special(staged, path.data);
		name = format("%s%s%s", at, path.len ? "/" : "", path.data);
		if (add_node(cvmfs, name, node, own, special, err) < 0)
			return error_wrap(err, "%s", name);
		if (own && node->file && S_ISREG(node->file->mode))
			count(&cvmfs->base, node->file, special);
	}
	return 0;
}

/* The symbolic link through which a layer with staged files is found. */
static int add_layer_link(struct cvmfs *cvmfs, const struct digest *layer, ducc_error **err)
{
	AUTO_FREE char *path = layer_path(layer, "");
	char target[] = LAYER_CONTENT;
	struct file link = {.mode = S_IFLNK | 0777, .mtime = cvmfs->payload.now, .target = target};

	return tarball_entry(cvmfs->payload.tarball, path, &link, NULL, err);
}

/* Whether the entry of a layer's directory is part of the layer with that root. */
static bool is_part(const char *name, const char *root)
{
	return !strcmp(name, "layerfs") || !strcmp(name, strrchr(root, '/') + 1) ||
	       !strcmp(name, ".metadata") || !strcmp(name, CATALOG_MARKER);
}

/* Content that was staged for a layer, but is not where it is found, is removed. */
static void mend_directory(struct cvmfs *cvmfs, const char *directory, const char *root)
{
	AUTO_CLOSE int top = repository_root(cvmfs->base.repository);
	AUTO_ENTRIES entries = entries_open(top, directory);
	const char *name;

	while ((name = entries_next(&entries))) {
		AUTO_FREE char *path = format("%s/%s", directory, name);

		if (!is_part(name, root))
			mending_remove(&cvmfs->mending, path);
	}
}

static void say_replaced(struct cvmfs *cvmfs, const char *directory)
{
	struct digest digest;
	bool flat = repo_tree_at(directory, &digest) == REPO_TREE_FLAT;
	AUTO_FREE char *listing = flat ? flat_listing(&digest) : layer_listing(&digest);
	bool ours = repository_has(cvmfs->base.repository, listing);

	context_notice(cvmfs->base.context, ours ? DUCC_INFO : DUCC_WARNING, "%s: %sreplacing it",
		       directory, ours ? "" : "not published by ducc, or incomplete: ");
}

/* Prepares to replace a tree that is there: completely, but in place. */
static void replace_tree(struct cvmfs *cvmfs, const char *directory, const char *root,
			 struct tree *tree, const struct digest *own)
{
	const struct repository *repository = cvmfs->base.repository;

	if (strset_add(&cvmfs->replaced, directory))
		say_replaced(cvmfs, directory);
	if (own)
		mend_directory(cvmfs, directory, root);
	mending_add(&cvmfs->mending, cvmfs->base.context, repository, root, tree);
}

static int add_tree(struct transaction *transaction, const char *directory, const char *root,
		    struct tree *tree, const struct digest *own, ducc_error **err)
{
	struct cvmfs *cvmfs = cvmfs_of(transaction);
	bool replaces = repository_has(transaction->repository, directory) &&
			!staging_has_published(&cvmfs->staging, directory);
	AUTO_FREE char *there =
		replaces && own ? repository_layer_root(transaction->repository, own) : NULL;
	const struct staged_tree *staged;

	root = there ? there : root;
	if (replaces)
		replace_tree(cvmfs, directory, root, tree, own);
	if (check_names(cvmfs, root, tree, err) < 0 ||
	    (own && check_layer_tar(transaction->store, own, err) < 0))
		return -1;
	if (replaces) /* readers would see what is staged */
		staged = staging_add_whole(&cvmfs->staging, directory);
	else
		staged = own ? staging_add_layer(&cvmfs->staging, directory, tree, own)
			     : staging_add_flat(&cvmfs->staging, directory, tree);
	if (payload_add_parents(&cvmfs->payload, root, err) < 0 ||
	    (own && staged && strcmp(staged->root, root) != 0 &&
	     add_layer_link(cvmfs, own, err) < 0))
		return -1;
	transaction->crowded |= cvmfs->staging.crowded;
	root = staged ? staged->root : root;
	if (add_nodes(cvmfs, root, tree, own, staged, err) < 0)
		return -1;
	if (own) {
		GROW(cvmfs->layers, cvmfs->n_layers, cvmfs->layers_capacity);
		cvmfs->layers[cvmfs->n_layers++] = *own;
		probes_add_layer(&cvmfs->probes, root, tree);
	} else {
		probes_add_flat(&cvmfs->probes, directory, tree);
	}
	return payload_add_catalogs(&cvmfs->payload, directory, root, tree,
				    own ? layer_listing : flat_listing, err);
}

static void split(struct transaction *transaction, const char *root, struct tree *tree)
{
	struct cvmfs *cvmfs = cvmfs_of(transaction);
	struct node *top = tree_root(tree);
	AUTO_BUFFER path = {0};

	for (struct node *node = top; node; node = tree_next(top, node)) {
		const struct file *file = node->file;
		AUTO_FREE char *name = NULL;

		if (!file || !S_ISREG(file->mode) || file->size <= cvmfs->staging.limit)
			continue;
		node_path(node, &path);
		name = format("%s/%s", root, path.data);
		if (!staging_add_split(&cvmfs->staging, name, file->size))
			continue;
		transaction->bytes += file->size;
		amount_add(&transaction->amounts.by[CHUNKED], (struct amount){1, file->size});
		transaction->steps++;
		cvmfs->n_splits++;
	}
	if (cvmfs->staging.crowded)
		context_notice(transaction->context, DUCC_WARNING,
			       "%s: not all large files are split: there is no space for them in "
			       "the scratch area",
			       root);
	transaction->crowded |= cvmfs->staging.crowded;
}

static int add_entry(struct transaction *transaction, const char *path, const struct file *file,
		     const struct content *content, ducc_error **err)
{
	struct cvmfs *cvmfs = cvmfs_of(transaction);

	if (payload_add_parents(&cvmfs->payload, path, err) < 0)
		return -1;
	if (content->kind == CONTENT_DATA)
		return payload_add_data(&cvmfs->payload, path, file, content->data, err);
	if (tarball_entry(cvmfs->payload.tarball, path, file, content->path, err) < 0)
		return error_wrap(err, "%s", path);
	return 0;
}

/* --- removals --------------------------------------------------------- */

static int remove_path(struct transaction *transaction, const char *path, ducc_error **err)
{
	struct cvmfs *cvmfs = cvmfs_of(transaction);

	(void)err;
	GROW(cvmfs->removed, cvmfs->n_removed, cvmfs->removed_capacity);
	cvmfs->removed[cvmfs->n_removed++] = xstrdup(path);
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
	return cvmfs->ingest ? 0 : -1;
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

/* Publishes the catalogs of all layers and flat trees. */
static int publish_catalogs(struct cvmfs *cvmfs, ducc_error **err)
{
	const struct transaction *base = &cvmfs->base;
	struct payload payload = {.fd = -1};
	struct edit *edit = NULL;
	uint64_t size;
	int result = -1;

	if (!payload_open(&payload, base->context, base->store, base->repository, err) &&
	    !payload_add_parents(&payload, REPO_LAYERS "/", err) &&
	    !payload_add_parents(&payload, REPO_FLAT "/", err) &&
	    !payload_finish(&payload, &size, err))
		edit = edit_begin(base->context, base->repository, err);
	if (edit && !edit_put(edit, payload.fd, err))
		result = edit_finish(edit, err);
	edit_free(edit);
	payload_close(&payload);
	return result;
}

/* Notes the current revision; true if it is not the one before. */
static bool is_changed(struct cvmfs *cvmfs)
{
	AUTO_FREE char *before = cvmfs->revision;

	cvmfs->revision = newest_mounted(cvmfs->base.repository);
	return cvmfs->revision && before && strcmp(cvmfs->revision, before) != 0;
}

/* Whatever comes before the ingest; 1: all additions must be repeated. */
static int prepare_ingest(struct cvmfs *cvmfs, bool *changed, ducc_error **err)
{
	bool lacking = lacks_catalogs(cvmfs), mending = mending_is_pending(&cvmfs->mending);

	if (!lacking && !mending && !staging_is_pending(&cvmfs->staging, 0) &&
	    !staging_is_pending(&cvmfs->staging, 1))
		return 0;
	ingest_free(STEAL(cvmfs->ingest)); /* additions were repeated: it lacks something */
	if (lacking || mending) {
		if ((lacking && publish_catalogs(cvmfs, err) < 0) ||
		    (mending && mending_run(&cvmfs->mending, cvmfs->base.context,
					    cvmfs->base.repository, err) < 0))
			return -1;
		is_changed(cvmfs);
		return 1;
	}
	return stages_publish(&cvmfs->staging, &cvmfs->revision, changed, err);
}

static int open_transaction(struct transaction *transaction, ducc_error **err)
{
	struct cvmfs *cvmfs = cvmfs_of(transaction);
	bool changed = false;
	int result;

	if (has_edits(cvmfs)) {
		if (!cvmfs->edit && open_edit(cvmfs, err) < 0)
			return -1;
	} else if (adds_something(cvmfs) || cvmfs->n_splits) {
		result = prepare_ingest(cvmfs, &changed, err);
		if (result)
			return result;
		if (adds_something(cvmfs) && !cvmfs->ingest && open_ingest(cvmfs, err) < 0)
			return -1;
	}
	changed |= is_changed(cvmfs);
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

static int commit_ingest(struct cvmfs *cvmfs, ducc_error **err)
{
	const struct transaction *transaction = &cvmfs->base;
	AUTO_BUFFER tail = {0};
	uint64_t size;

	if (payload_finish(&cvmfs->payload, &size, err) < 0 ||
	    log_print_tail(&tail, cvmfs->log, cvmfs->payload.now, &transaction->added, err) < 0 ||
	    ingest_copy(cvmfs->ingest, cvmfs->payload.fd, size, err) < 0)
		return -1;
	for (size_t i = 0; i < cvmfs->n_layers; i++)
		if (layer_send(cvmfs->ingest, &cvmfs->staging, &cvmfs->layers[i], err) < 0)
			return -1;
	if (ingest_write(cvmfs->ingest, tail.data, tail.len, err) < 0 ||
	    ingest_finish(cvmfs->ingest, err) < 0)
		return -1;
	forget_staged(cvmfs);
	if (transaction->repository->metadata_only)
		metadata_copy_update(transaction->context, transaction->repository,
				     cvmfs->payload.fd);
	else if (newest_is_mounted(transaction->context, transaction->repository, NULL) == 1)
		probes_look(&cvmfs->probes, transaction->context, transaction->repository);
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
	mending_reset(&cvmfs->mending, (struct mending_mark){0});
	strset_free(&cvmfs->replaced);
	strset_free(&cvmfs->mending.removals);
	strmap_free(&cvmfs->mending.directories);
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
	if (cvmfs->lock >= 0 && !check_readable(&cvmfs->base, err) && !refresh(&cvmfs->base, err) &&
	    !payload_open(&cvmfs->payload, context, store, repository, err)) {
		clear_up_staging(&cvmfs->base);
		staging_init(&cvmfs->staging, context, store, repository, &cvmfs->base.added,
			     repository->chunk_bytes);
		cvmfs->revision = newest_mounted(repository);
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
	repository->shared = config_has_gateway(repository);
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
	.variants = true,
	.reduces = true,
	.check_file = chunking_check,
	.removes_later = true,
	.begin = begin,
	.tree = add_tree,
	.split = split,
	.complete = complete_layer,
	.entry = add_entry,
	.remove = remove_path,
	.save = save,
	.restore = restore,
	.open = open_transaction,
	.commit = commit,
	.end = end,
};

/* A transaction on a repository: see transaction.h. */
#include "repo/transaction.h"

#include <sys/stat.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/path.h"
#include "format/repo_paths.h"
#include "repo/target.h"

/* How often additions are repeated. */
#define OPEN_TRIES 10

struct transaction *transaction_begin(struct context *context, const struct store *store,
				      struct repository *repository, ducc_error **err)
{
	struct transaction *transaction =
		repository->target->begin(context, store, repository, err);

	if (!transaction)
		error_wrap(err, "repository %s", repository->name);
	return transaction;
}

bool transaction_adds(const struct transaction *transaction, const char *directory)
{
	return strset_has(&transaction->added, directory);
}

/* Removes what is in the way of an addition, if that may be replaced. */
static int make_way(struct transaction *transaction, const char *path, mode_t type,
		    ducc_error **err)
{
	AUTO_FREE char *obstacle = NULL;
	int found;

	if (!transaction->replaces)
		return repository_check_type(transaction->repository, path, type, err);
	found = repository_find_obstacle(transaction->repository, path, type, &obstacle, err);
	if (found <= 0)
		return found;
	context_notice(transaction->context, DUCC_WARNING, "%s: of the wrong type, replacing it",
		       obstacle);
	return transaction->target->clear(transaction, obstacle, err);
}

/* --- trees ------------------------------------------------------------ */

static int add_tree(struct transaction *transaction, const char *directory, const char *root,
		    struct tree *tree, const struct digest *own, ducc_error **err)
{
	if (make_way(transaction, directory, S_IFDIR, err) < 0 ||
	    transaction->target->tree(transaction, directory, root, tree, own, err) < 0)
		return -1;
	strset_add(&transaction->added, directory);
	transaction->steps++;
	return 0;
}

/* The metadata of an entry that is not part of an image. */
static struct file our_file(mode_t mode)
{
	return (struct file){.mode = mode, .mtime = clock_now().tv_sec};
}

/* Adds a file even if it exists: the directory that contains it may be replaced. */
static int put_file(struct transaction *transaction, const char *path, const void *data, size_t len,
		    ducc_error **err)
{
	struct content content = {.kind = CONTENT_DATA, .data = data};
	struct file file = our_file(S_IFREG | REPO_FILE_MODE);

	file.size = len;
	transaction->steps++;
	return transaction->target->entry(transaction, path, &file, &content, err);
}

int transaction_add_layer(struct transaction *transaction, const struct listing_head *head,
			  struct tree *tree, const char *json, ducc_error **err)
{
	const struct digest *layer = &head->layer;
	AUTO_FREE char *directory = layer_directory(layer), *root = layer_path(layer, "");
	AUTO_FREE char *layers_json = layer_metadata(layer, "layers.json");
	AUTO_FREE char *listing = layer_listing(layer), *text = NULL;
	size_t len;

	tree_count_links(tree);
	if (listing_print(head, tree, &text, &len, err) < 0)
		return error_wrap(err, "%s", listing);
	if (add_tree(transaction, directory, root, tree, layer, err) < 0 ||
	    put_file(transaction, layers_json, json, strlen(json), err) < 0 ||
	    put_file(transaction, listing, text, len, err) < 0)
		return -1;
	transaction->bytes += head->unpacked;
	return 0;
}

int transaction_complete_layer(struct transaction *transaction, const struct listing_head *head,
			       struct tree *tree, const struct tree *published,
			       const struct tree *needed, ducc_error **err)
{
	AUTO_FREE char *directory = layer_directory(&head->layer);

	if (transaction->target->complete(transaction, head, tree, published, needed, err) < 0)
		return -1;
	strset_add(&transaction->added, directory);
	transaction->steps++;
	return 0;
}

void transaction_split(struct transaction *transaction, const char *root, struct tree *tree)
{
	if (transaction->target->split)
		transaction->target->split(transaction, root, tree);
}

int transaction_add_flat(struct transaction *transaction, const char *directory, struct tree *tree,
			 ducc_error **err)
{
	return add_tree(transaction, directory, directory, tree, NULL, err);
}

/* --- single entries --------------------------------------------------- */

int transaction_add_file(struct transaction *transaction, const char *path, const void *data,
			 size_t len, ducc_error **err)
{
	if (repository_has_file(transaction->repository, path, data, len) &&
	    !(transaction->replaces && repository_is_altered(transaction->repository, path)))
		return 0;
	if (make_way(transaction, path, S_IFREG, err) < 0)
		return -1;
	return put_file(transaction, path, data, len, err);
}

int transaction_replace_file(struct transaction *transaction, const char *path, const void *data,
			     size_t len, ducc_error **err)
{
	bool replaces = transaction->replaces;
	int result;

	transaction->replaces = true;
	result = transaction_add_file(transaction, path, data, len, err);
	transaction->replaces = replaces;
	return result;
}

int transaction_add_hardlink(struct transaction *transaction, const char *path, const char *to,
			     ducc_error **err)
{
	struct file file = our_file(S_IFREG | REPO_FILE_MODE);
	AUTO_CONTENT content = {.kind = CONTENT_PUBLISHED, .path = xstrdup(to)};

	if (make_way(transaction, path, S_IFREG, err) < 0)
		return -1;
	transaction->steps++;
	return transaction->target->entry(transaction, path, &file, &content, err);
}

int transaction_add_symlink(struct transaction *transaction, const char *path, const char *target,
			    ducc_error **err)
{
	AUTO_FREE char *copy = xstrdup(target);
	struct file file = our_file(S_IFLNK | 0777);
	struct content none = {.kind = CONTENT_NONE};

	if (repository_has_link(transaction->repository, path, target))
		return 0;
	if (make_way(transaction, path, S_IFLNK, err) < 0)
		return -1;
	transaction->steps++;
	file.target = copy;
	return transaction->target->entry(transaction, path, &file, &none, err);
}

int transaction_open_directory(struct transaction *transaction, const char *path, mode_t mode,
			       ducc_error **err)
{
	if (!transaction->target->open_directory)
		return 0;
	return transaction->target->open_directory(transaction, path, mode, err);
}

int transaction_remove(struct transaction *transaction, const char *path, ducc_error **err)
{
	/* The path may come from an untrusted file. */
	if (!path_is_clean(path))
		return error_set(err, "%s: invalid path to remove", path);
	if (repository_lacks(transaction->repository, path))
		return 0;
	transaction->steps++;
	return transaction->target->remove(transaction, path, err);
}

int transaction_discard(struct transaction *transaction, const struct strset *paths,
			ducc_error **err)
{
	if (transaction->target->discard &&
	    transaction->target->discard(transaction, paths, err) < 0)
		return error_wrap(err, "repository %s", transaction->repository->name);
	return 0;
}

bool transaction_is_empty(const struct transaction *transaction)
{
	return !transaction->steps;
}

/* --- save and restore ------------------------------------------------- */

void transaction_save(struct transaction *transaction)
{
	transaction->saved.added = transaction->added.n;
	transaction->saved.steps = transaction->steps;
	transaction->saved.bytes = transaction->bytes;
	transaction->crowded = false;
	transaction->saved.amounts = transaction->amounts;
	transaction->target->save(transaction);
}

static void restore(struct transaction *transaction, bool nothing)
{
	if (nothing)
		memset(&transaction->saved, 0, sizeof(transaction->saved));
	strset_cut(&transaction->added, transaction->saved.added);
	transaction->steps = transaction->saved.steps;
	transaction->bytes = transaction->saved.bytes;
	transaction->crowded = false;
	transaction->amounts = transaction->saved.amounts;
	transaction->target->restore(transaction, nothing);
}

void transaction_restore(struct transaction *transaction)
{
	restore(transaction, false);
}

void transaction_clear(struct transaction *transaction)
{
	restore(transaction, true);
}

int transaction_open(struct transaction *transaction, int (*repeat)(void *ctx, ducc_error **err),
		     void *ctx, ducc_error **err)
{
	const char *name = transaction->repository->name;

	for (unsigned tries = 0; tries < OPEN_TRIES; tries++) {
		int changed = transaction->target->open(transaction, err);

		if (changed <= 0)
			return changed < 0 ? error_wrap(err, "repository %s", name) : 0;
		transaction_clear(transaction);
		if (repeat(ctx, err) < 0)
			return -1;
		if (transaction_is_empty(transaction))
			return 0;
	}
	return error_set_kind(err, DUCC_BUSY, "repository %s: others change it all the time", name);
}

int transaction_commit(struct transaction *transaction, ducc_error **err)
{
	if (transaction->target->commit(transaction, err) < 0)
		return error_wrap(err, "repository %s", transaction->repository->name);
	return 0;
}

void transaction_end(struct transaction *transaction)
{
	if (!transaction)
		return;
	strset_free(&transaction->added);
	transaction->target->end(transaction);
}

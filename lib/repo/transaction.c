/* A transaction on a repository: see transaction.h. */
#include "repo/transaction.h"

#include <sys/stat.h>

#include "format/repo_paths.h"
#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"

struct transaction *transaction_begin(struct context *context, const struct store *store,
				      struct repository *repository, ducc_error **err)
{
	struct transaction base = {.context = context, .store = store, .repository = repository};
	struct transaction *transaction;

	if (!repository->spool && repository_create(repository, err) < 0)
		return NULL;
	transaction = repository->spool ? cvmfs_begin(&base, repository, err)
					: directory_begin(&base, err);
	if (!transaction)
		error_wrap(err, "repository %s", repository->name);
	return transaction;
}

bool transaction_adds(const struct transaction *transaction, const char *directory)
{
	return strset_has(&transaction->added, directory);
}

int transaction_add_layer(struct transaction *transaction, const struct listing_head *head,
			  struct tree *tree, const char *json, ducc_error **err)
{
	AUTO_FREE char *directory = layer_directory(&head->layer);

	if (repository_check_type(transaction->repository, directory, S_IFDIR, err) < 0 ||
	    transaction->target->layer(transaction, head, tree, json, err) < 0)
		return -1;
	strset_add(&transaction->added, directory);
	transaction->bytes += head->unpacked;
	return 0;
}

int transaction_complete_layer(struct transaction *transaction, const struct listing_head *head,
			       struct tree *tree, const struct tree *published, ducc_error **err)
{
	AUTO_FREE char *directory = layer_directory(&head->layer);

	if (transaction->target->complete(transaction, head, tree, published, err) < 0)
		return -1;
	strset_add(&transaction->added, directory);
	return 0;
}

int transaction_add_flat(struct transaction *transaction, const char *directory, struct tree *tree,
			 ducc_error **err)
{
	if (repository_check_type(transaction->repository, directory, S_IFDIR, err) < 0 ||
	    transaction->target->flat(transaction, directory, tree, err) < 0)
		return -1;
	strset_add(&transaction->added, directory);
	return 0;
}

int transaction_add_file(struct transaction *transaction, const char *path, const void *data,
			 size_t len, ducc_error **err)
{
	if (repository_has_file(transaction->repository, path, data, len))
		return 0;
	if (repository_check_type(transaction->repository, path, S_IFREG, err) < 0)
		return -1;
	return transaction->target->file(transaction, path, data, len, err);
}

int transaction_add_hardlink(struct transaction *transaction, const char *path, const char *to,
			     ducc_error **err)
{
	if (repository_check_type(transaction->repository, path, S_IFREG, err) < 0)
		return -1;
	return transaction->target->hardlink(transaction, path, to, err);
}

/* What a client may make of $(VARIABLE) is not told from what stands for it. */
static bool is_target(const char *there, const char *target)
{
	const char *variable = strstr(target, "$("), *end;
	size_t before, after, len = strlen(there);

	if (!variable)
		return !strcmp(there, target);
	end = strchr(variable, ')');
	end = end ? end + 1 : variable;
	before = (size_t)(variable - target);
	after = strlen(end);
	return len >= before + after && !strncmp(there, target, before) &&
	       !strcmp(there + len - after, end);
}

int transaction_add_symlink(struct transaction *transaction, const char *path, const char *target,
			    ducc_error **err)
{
	AUTO_FREE char *there = repository_read_link(transaction->repository, path);

	if (there && is_target(there, target))
		return 0;
	if (repository_check_type(transaction->repository, path, S_IFLNK, err) < 0)
		return -1;
	return transaction->target->symlink(transaction, path, target, err);
}

int transaction_remove(struct transaction *transaction, const char *path, ducc_error **err)
{
	/* A name may come from a file that anybody has written. */
	if (!path_is_clean(path))
		return error_set(err, "%s: not a path to remove", path);
	if (!repository_has(transaction->repository, path))
		return 0;
	return transaction->target->remove(transaction, path, err);
}

struct transaction_mark transaction_mark(const struct transaction *transaction)
{
	struct transaction_mark mark = {.added = transaction->added.n, .bytes = transaction->bytes};

	transaction->target->mark(transaction, &mark);
	return mark;
}

bool transaction_is_empty(const struct transaction *transaction)
{
	return !transaction_mark(transaction).steps;
}

void transaction_reset(struct transaction *transaction, const struct transaction_mark *mark)
{
	strset_cut(&transaction->added, mark->added);
	transaction->bytes = mark->bytes;
	transaction->target->reset(transaction, mark);
}

int transaction_open(struct transaction *transaction, ducc_error **err)
{
	int result = transaction->target->open(transaction, err);

	return result < 0 ? error_wrap(err, "repository %s", transaction->repository->name)
			  : result;
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

/* The directories of a repository's own structure: see structure.h. */
#include "repo/structure.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/entries.h"
#include "base/mem.h"
#include "base/path.h"
#include "format/repo_paths.h"

#define OTHERS (S_IRGRP | S_IXGRP | S_IROTH | S_IXOTH)

static void fail(const struct structure *structure, const char *path)
{
	if (structure->failed && !is_absence(errno))
		structure->failed(structure->ctx, path);
}

static int look_at(const struct structure *structure, const char *path, ducc_error **err)
{
	struct stat st;

	if (repository_stat(structure->repository, path, &st) < 0)
		fail(structure, path);
	else if (S_ISDIR(st.st_mode) && (st.st_mode & OTHERS) != OTHERS)
		return structure->closed(structure->ctx, path, st.st_mode & 07777, err);
	return 0;
}

/* True in Podman's store for what only Podman itself makes, if it is used as any other (podman.h). */
static bool is_podmans(const char *path, const char *name)
{
	static const char *const ours[] = {"overlay", "overlay-images", "overlay-layers"};
	static const char layers[] = REPO_PODMAN "/overlay/";

	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (!strcmp(name, ours[i]))
			return false;
	return !strcmp(path, REPO_PODMAN) || !strncmp(path, layers, strlen(layers));
}

/* True if the directory `name` in `path` belongs to an image, or to nobody. */
static bool is_foreign(const char *path, const char *name)
{
	AUTO_FREE char *whole = format("%s/%s", path, name);
	struct digest digest;

	return is_podmans(path, name) || repo_tree_at(whole, &digest) == REPO_TREE_FLAT ||
	       !strcmp(name, "diff") ||
	       (repo_tree_at(path, &digest) == REPO_TREE_LAYER && strcmp(name, ".metadata") != 0);
}

/* Directories that are still to be read. */
struct unread {
	char **paths;
	size_t n, capacity;
};

static void push(struct unread *unread, char *path)
{
	GROW(unread->paths, unread->n, unread->capacity);
	unread->paths[unread->n++] = path;
}

static void unread_free(struct unread *unread)
{
	while (unread->n)
		free(unread->paths[--unread->n]);
	free(unread->paths);
}

/* Looks at the directories in one, which are to be read as well. */
static int read_one(const struct structure *structure, int root, const char *path,
		    struct unread *unread, ducc_error **err)
{
	AUTO_ENTRIES entries = entries_open(root, path);
	const char *name;

	while ((name = entries_next(&entries))) {
		char *whole;

		if (entries_type(&entries, name) != DT_DIR || is_foreign(path, name))
			continue;
		whole = format("%s/%s", path, name);
		push(unread, whole);
		if (look_at(structure, whole, err) < 0)
			return -1;
	}
	errno = entries.error;
	if (errno)
		fail(structure, path);
	return 0;
}

static int walk(const struct structure *structure, int root, const char *top, ducc_error **err)
{
	struct unread unread = {NULL};
	int result = look_at(structure, top, err);

	push(&unread, xstrdup(top));
	while (!result && unread.n) {
		AUTO_FREE char *path = unread.paths[--unread.n];

		result = read_one(structure, root, path, &unread, err);
	}
	unread_free(&unread);
	return result;
}

int structure_walk(const struct structure *structure, ducc_error **err)
{
	static const char *const tops[] = {REPO_FLAT, REPO_LAYERS, REPO_METADATA, REPO_MULTIARCH,
					   REPO_PODMAN};
	AUTO_CLOSE int root = repository_root(structure->repository);

	for (size_t i = 0; i < ARRAY_LEN(tops); i++)
		if (walk(structure, root, tops[i], err) < 0)
			return -1;
	return 0;
}

int structure_parents(const struct structure *structure, const char *name, ducc_error **err)
{
	for (const char *slash = name; (slash = strchr(slash, '/')); slash++) {
		AUTO_FREE char *parent = xstrndup(name, (size_t)(slash - name));

		if (look_at(structure, parent, err) < 0)
			return -1;
	}
	return 0;
}

static int open_directory(void *ctx, const char *path, mode_t mode, ducc_error **err)
{
	return transaction_open_directory(ctx, path, mode | REPO_DIRECTORY_MODE, err);
}

int structure_open(struct transaction *transaction, const char *const *names, size_t n,
		   ducc_error **err)
{
	const struct structure structure = {transaction->repository, open_directory, NULL,
					    transaction};

	if (structure_walk(&structure, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (structure_parents(&structure, names[i], err) < 0)
			return -1;
	return 0;
}

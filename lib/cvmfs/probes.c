/* Checks after publishing: see probes.h. */
#include "cvmfs/probes.h"

#include <errno.h>
#include <fcntl.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"
#include "content/listing.h"
#include "format/repo_paths.h"

/* Smaller files are stored whole, by any version of CernVM-FS. */
#define LARGE ((uint64_t)1 << 20)

static void add_probe(struct probes *probes, struct probe probe)
{
	GROW(probes->list, probes->n, probes->capacity);
	probes->list[probes->n++] = probe;
}

/* One whiteout represents all. */
void probes_add_layer(struct probes *probes, const char *at, struct tree *tree)
{
	struct node *root = tree_root(tree), *node = tree_next(root, root);
	AUTO_BUFFER path = {0};

	while (node && (!node_is_whiteout(node) || node->flags & NODE_VOID))
		node = tree_next(root, node);
	if (!node)
		return;
	node_path(node, &path);
	add_probe(probes, (struct probe){.path = format("%s/%s", at, path.data)});
}

/* The better one of two files of that kind, NULL allowed: the smallest graft, the largest link. */
static const struct node *better(const struct node *a, const struct node *b, bool graft)
{
	if (!a || !b)
		return a ? a : b;
	return (a->file->size < b->file->size) == graft ? a : b;
}

static void add_file(struct probes *probes, const char *directory, const struct node *node)
{
	AUTO_BUFFER path = {0};
	struct probe probe = {.is_file = true};

	if (!node)
		return;
	node_path(node, &path);
	probe.path = format("%s/%s", directory, path.data);
	memcpy(probe.sha256, node->file->sha256, sizeof(probe.sha256));
	add_probe(probes, probe);
}

void probes_add_flat(struct probes *probes, const char *directory, struct tree *tree,
		     const struct staged_tree *staged)
{
	struct node *root = tree_root(tree);
	const struct node *best[2] = {NULL, NULL};
	AUTO_BUFFER path = {0};

	for (struct node *node = root; node; node = tree_next(root, node)) {
		const struct file *file = node->file;
		bool graft;

		if (!S_ISREG(file->mode) || !file->layer || file->size < LARGE)
			continue;
		node_path(node, &path);
		graft = staged_special(staged, path.data) != NULL;
		best[graft] = better(best[graft], node, graft);
	}
	add_file(probes, directory, best[false]);
	add_file(probes, directory, best[true]);
}

static bool is_readable(int fd, const struct probe *probe)
{
	uint8_t sha256[SHA256_SIZE];

	return !digest_file(fd, TO_THE_END, sha256) &&
	       !memcmp(sha256, probe->sha256, sizeof(sha256));
}

void probes_look(const struct probes *probes, struct context *context,
		 const struct repository *repository)
{
	AUTO_CLOSE int root = repository_root(repository);

	for (size_t i = 0; root >= 0 && i < probes->n; i++) {
		const struct probe *probe = &probes->list[i];
		const char *name;
		struct stat st;
		AUTO_CLOSE int parent = path_open_parent(root, probe->path, &name);

		if (parent < 0)
			continue;
		if (!probe->is_file && fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0 &&
		    errno == ENOENT)
			context_notice(
				context, DUCC_WARNING,
				"%s: the repository lost this whiteout, as may happen with "
				"CernVM-FS gateways: files that this layer removes reappear "
				"for Podman and containerd; the flat root file system is correct, "
				"except for device files",
				probe->path);
		if (!probe->is_file)
			continue;
		AUTO_CLOSE int fd = path_open_file(parent, name);
		if ((fd >= 0 && !is_readable(fd, probe)) || (fd < 0 && errno != ENOENT))
			context_notice(context, DUCC_WARNING,
				       "%s: cannot be read back; this version of CernVM-FS "
				       "does not support hard links to large files",
				       probe->path);
	}
}

void probes_forget(struct probes *probes, size_t n)
{
	while (probes->n > n)
		free(probes->list[--probes->n].path);
}

void probes_free(struct probes *probes)
{
	probes_forget(probes, 0);
	free(probes->list);
	*probes = (struct probes){NULL};
}

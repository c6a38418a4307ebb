/* Names that CernVM-FS accepts: see names.h. */
#include "cvmfs/names.h"

#include <limits.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "cvmfs/mount.h"
#include "format/repo_paths.h"

#define BUNDLES ".cvmfsbundles"

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

/* True for a file that has capabilities, such as ping, which does not work without. */
static bool has_capabilities(const struct file *file)
{
	for (size_t i = 0; i < file->n_xattrs; i++)
		if (!strcmp(file->xattrs[i].name, "security.capability"))
			return true;
	return false;
}

void names_warn_of_capabilities(struct context *context, const struct digest *layer,
				struct tree *tree)
{
	struct node *root = tree_root(tree), *first = NULL;
	AUTO_BUFFER what = {0};
	size_t n = 0;

	for (struct node *node = root; node; node = tree_next(root, node)) {
		if (!node->file || !has_capabilities(node->file))
			continue;
		first = first ? first : node;
		n++;
	}
	if (!first)
		return;
	node_path(first, &what);
	if (n > 1)
		buffer_addf(&what, " and %zu more", n - 1);
	context_notice(context, DUCC_WARNING,
		       "layer " PRI_DIGEST ": %s: CernVM-FS drops file capabilities", layer->hex,
		       what.data);
}

/* The most bytes that paths in a tree at `where` may have: ingest looks for each entry in the mount. */
static size_t longest_at(const struct repository *repository, const char *where)
{
	AUTO_FREE char *mount = mount_spool(repository, "rdonly");
	AUTO_FREE char *above = format("%s/%s/", mount, where);

	return PATH_MAX - 1 - strlen(above);
}

int names_accept(const struct repository *repository, const char *where, const struct node *node,
		 ducc_error **err)
{
	AUTO_BUFFER path = {0};

	node_path(node, &path);
	return check_name(node, &path, longest_at(repository, where), err);
}

int names_accepted(struct context *context, const struct repository *repository, const char *where,
		   struct tree *tree, ducc_error **err)
{
	size_t longest = longest_at(repository, where);
	struct node *root = tree_root(tree);
	AUTO_BUFFER path = {0};

	for (struct node *node = tree_next(root, root); node; node = tree_next(root, node)) {
		const struct file *file = node->file;

		node_path(node, &path);
		if (check_name(node, &path, longest, err) < 0)
			return -1;
		if (file && file->target && strstr(file->target, "$("))
			context_notice(context, DUCC_WARNING,
				       "%s/%s: symbolic link to %s: clients of CernVM-FS expand "
				       "$(...)",
				       where, path.data, file->target);
	}
	return 0;
}

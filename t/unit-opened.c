/* Opening the directories of a published layer: once in a transaction, however many images have it. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/removal.h"
#include "content/listing.h"
#include "format/repo_paths.h"
#include "repo/directory_open.h"
#include "tap.h"

static char root_path[] = "/tmp/ducc-opened.XXXXXX";
static int root;

static struct node *add_directory(struct tree *tree, struct node *parent, const char *name,
				  mode_t mode)
{
	struct node *node = tree_add(tree, parent, name, strlen(name));

	node_set_file(node, file_new(S_IFDIR | mode));
	return node;
}

/* Publishes a layer that has closed directories. */
static void publish(const struct digest *layer)
{
	struct listing_head head = {.layer = *layer, .diff_id = *layer, .size = 1};
	AUTO_FREE char *path = layer_listing(layer);
	AUTO_FREE char *inner = layer_path(layer, "closed/inner");
	AUTO_FREE char *metadata = xstrndup(path, (size_t)(strrchr(path, '/') - path));
	AUTO_TREE *tree = tree_new();
	AUTO_CLOSE int fd = -1;

	node_set_file(tree_root(tree), file_new(S_IFDIR | 0555));
	add_directory(tree, add_directory(tree, tree_root(tree), "closed", 0), "inner", 0500);
	path_mkdirs(root, metadata);
	path_mkdirs(root, inner);
	fd = path_open(root, path, O_WRONLY | O_CREAT, 0644);
	ok(fd >= 0 && !listing_write(fd, &head, tree), "a layer");
}

static off_t size_of_plan(void)
{
	struct stat st;

	return fstatat(root, DIRECTORY_OPENED, &st, 0) < 0 ? -1 : st.st_size;
}

int main(void)
{
	struct repository repository = {.name = root_path, .path = root_path};
	struct digest one = digest_of("one", 3), two = digest_of("two", 3);
	AUTO_CLOSE int parent = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_PLAN opened = {NULL};
	off_t size;

	if (!mkdtemp(root_path))
		return 1;
	root = open(root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	path_mkdirs(root, DIRECTORY_TRANSACTION);
	publish(&one);
	publish(&two);
	ok(!directory_open_layer(&repository, root, &opened, &one, NULL), "it is opened");
	ok(opened.n == 3, "... its root, and two directories");
	size = size_of_plan();
	ok(size > 0, "... with a plan to close them");
	ok(!directory_open_layer(&repository, root, &opened, &one, NULL), "... again");
	ok(opened.n == 3 && size_of_plan() == size, "... which the plan need not have twice");
	ok(!directory_open_layer(&repository, root, &opened, &two, NULL), "another layer");
	ok(opened.n == 6 && size_of_plan() == 2 * size, "... is added");
	close(root);
	return path_remove(parent, strrchr(root_path, '/') + 1) < 0 || done_testing();
}

/* Nested catalogs: where they begin, and how many entries each gets. */
#include <stdlib.h>

#include "base/mem.h"
#include "cvmfs/catalogs.h"
#include "tap.h"

struct placed {
	struct tree *tree;
	char *paths[512];
	size_t n;
};

static int place(void *ctx, const struct node *directory)
{
	struct placed *placed = ctx;
	AUTO_BUFFER path = {0};

	if (placed->n == ARRAY_LEN(placed->paths))
		return -1;
	node_path(directory, &path);
	placed->paths[placed->n++] = xstrdup(path.data);
	return 0;
}

static void forget(struct placed *placed)
{
	while (placed->n)
		free(placed->paths[--placed->n]);
	tree_free(placed->tree);
}

static bool has(const struct placed *placed, const char *path)
{
	for (size_t i = 0; i < placed->n; i++)
		if (!strcmp(placed->paths[i], path))
			return true;
	return false;
}

/* The directory at a path, made if need be, with n more files in it. */
static void fill(struct tree *tree, const char *path, size_t n)
{
	struct node *node = tree_root(tree);

	if (!node->file)
		node_set_file(node, file_new(S_IFDIR | 0755));
	while (*path) {
		size_t len = strcspn(path, "/");
		struct node *child = tree_child(tree, node, path, len);

		if (!child) {
			child = tree_add(tree, node, path, len);
			node_set_file(child, file_new(S_IFDIR | 0755));
		}
		node = child;
		path += len + (path[len] == '/');
	}
	for (size_t i = 0; i < n; i++) {
		AUTO_FREE char *name = format("f%zu", i);

		node_set_file(tree_add(tree, node, name, strlen(name)), file_new(S_IFREG | 0644));
	}
}

/* What a catalog that begins at the directory has in it, those beneath it left out. */
static size_t entries(const struct placed *placed, const char *path)
{
	struct node *top = tree_find(placed->tree, path), *node;
	AUTO_BUFFER name = {0};
	size_t n = 1;

	for (node = tree_next(top, top); node; n++) {
		node_path(node, &name);
		node = has(placed, name.data) ? tree_skip(top, node) : tree_next(top, node);
	}
	return n;
}

static void check_sizes(const struct placed *placed, int64_t root)
{
	bool good = true;

	for (size_t i = 0; i < placed->n; i++) {
		size_t n = entries(placed, placed->paths[i]);

		if (n < CATALOG_MIN || n > CATALOG_MAX) {
			printf("# %s: %zu entries\n", placed->paths[i], n);
			good = false;
		}
	}
	ok(good, "each catalog has a good size");
	ok(root == (int64_t)entries(placed, ""), "the number of entries left is right");
}

int main(void)
{
	struct placed placed = {.tree = tree_new()};
	int64_t left;

	fill(placed.tree, "usr/bin", 500);
	left = catalogs_place(placed.tree, place, &placed);
	ok(left == 503 && !placed.n, "a small tree needs none");
	forget(&placed);

	placed.tree = tree_new();
	fill(placed.tree, "usr/a", 90000);
	fill(placed.tree, "usr/b", 9000);
	left = catalogs_place(placed.tree, place, &placed);
	ok(left == 99004 && !placed.n, "nor does one that fits into one catalog");
	forget(&placed);

	placed.tree = tree_new();
	fill(placed.tree, "usr/a", 60000);
	fill(placed.tree, "usr/b", 50000);
	fill(placed.tree, "usr/c", 10);
	left = catalogs_place(placed.tree, place, &placed);
	ok(placed.n == 1 && has(&placed, "usr/a"),
	   "one that does not gets one at its largest part");
	check_sizes(&placed, left);
	ok(left <= CATALOG_MAX, "the rest fits into one catalog");
	forget(&placed);

	placed.tree = tree_new();
	for (int i = 0; i < 30; i++) {
		AUTO_FREE char *a = format("opt/%d/lib/deep/er", i), *b = format("opt/%d/share", i);

		fill(placed.tree, a, 20000);
		fill(placed.tree, b, 999);
	}
	left = catalogs_place(placed.tree, place, &placed);
	ok(placed.n >= 5, "a huge one gets several");
	check_sizes(&placed, left);
	ok(left <= CATALOG_MAX, "the rest fits into one catalog");
	forget(&placed);

	placed.tree = tree_new();
	for (int i = 0; i < 200; i++) {
		AUTO_FREE char *path = format("flat/%d", i);

		fill(placed.tree, path, 900);
	}
	left = catalogs_place(placed.tree, place, &placed);
	ok(placed.n == 1 && has(&placed, "flat") && left == 2,
	   "small directories have one together, if they are not too many");
	forget(&placed);

	placed.tree = tree_new();
	for (int i = 0; i < 300; i++) {
		AUTO_FREE char *path = format("flat/%d", i);

		fill(placed.tree, path, 900);
	}
	fill(placed.tree, "more", 150000);
	left = catalogs_place(placed.tree, place, &placed);
	ok(left <= CATALOG_LIMIT && entries(&placed, "flat") <= CATALOG_LIMIT &&
		   entries(&placed, "more") <= CATALOG_LIMIT,
	   "if they are, some of them get one");
	forget(&placed);

	placed.tree = tree_new();
	for (int i = 0; i < 400; i++) {
		AUTO_FREE char *path = format("flat/%03d", i);

		fill(placed.tree, path, i < 100 ? 1500 : 200);
	}
	left = catalogs_place(placed.tree, place, &placed);
	/* There are 210,402 entries, and 1,500 go with each of the large ones. */
	ok(placed.n == 74 && left == 2 + 400 + 26 * 1500 + 300 * 200,
	   "no more of many equal ones than it takes (%zu, %lld left)", placed.n, (long long)left);
	check_sizes(&placed, left);
	forget(&placed);
	return done_testing();
}

/* Merging: what each layer takes from those below, and what the image becomes. */
#include <stdlib.h>

#include "base/mem.h"
#include "content/merge.h"
#include "content/settle.h"
#include "tap.h"

/* Adds a path to a tree: a directory (name/), a whiteout (-name) or an empty file. */
static struct node *put(struct tree *tree, const char *spec, unsigned uid)
{
	struct digest layer = {"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"};
	bool whiteout = spec[0] == '-';
	struct node *node = tree_root(tree);

	for (const char *p = spec + whiteout; *p;) {
		size_t len = strcspn(p, "/");
		struct node *child = tree_child(tree, node, p, len);

		node = child ? child : tree_add(tree, node, p, len);
		p += len + (p[len] == '/');
		if (*p)
			continue;
		if (whiteout) {
			node->flags |= NODE_WHITEOUT;
			break;
		}
		node_set_file(node, file_new((p[-1] == '/' ? S_IFDIR : S_IFREG) | 0700));
		node->file->uid = uid;
		layer.hex[0] = (char)('0' + uid);
		if (S_ISREG(node->file->mode))
			file_set_origin(node->file, tree_intern(tree, &layer), spec);
	}
	return node;
}

static struct tree *layer(unsigned uid, const char *const *specs)
{
	struct tree *tree = tree_new();

	for (; *specs; specs++)
		put(tree, *specs, uid);
	tree_sort(tree);
	return tree;
}

#define LAYER(uid, ...) layer((uid), (const char *const[]){__VA_ARGS__, NULL})

static void on_top(struct tree *image, struct tree *upper)
{
	ducc_error *err = NULL;

	if (merge_layer(image, upper, &err) < 0)
		printf("# %s\n", ducc_error_message(err));
	ducc_error_free(err);
}

static bool has(struct tree *tree, const char *path)
{
	const struct node *node = tree_find(tree, path);

	return node && node->file;
}

static bool hides(struct tree *tree, const char *path)
{
	const struct node *node = tree_find(tree, path);

	return node && node_is_whiteout(node) && !(node->flags & NODE_VOID);
}

static void whiteouts(void)
{
	AUTO_TREE *image = tree_new(), *lower = LAYER(1, "d/", "d/a", "d/b");
	AUTO_TREE *upper = LAYER(2, "-d/a", "-none/x"), *bare = tree_new();

	on_top(image, lower);
	on_top(image, upper);
	merge_finish(image);
	ok(!has(image, "d/a") && has(image, "d/b"), "a whiteout removes its file alone");
	ok(tree_find(upper, "d")->file->uid == 1, "an implied parent takes the owner below");
	ok(tree_find(upper, "d")->flags & NODE_IMPLIED, "... and is marked");
	ok(hides(upper, "d/a"), "a whiteout stays one");
	ok(!has(image, "none") && !hides(upper, "none/x"),
	   "a whiteout in a directory that nobody has makes no directory");
	on_top(bare, upper);
	ok(!tree_find(upper, "d")->peer,
	   "nodes that a merge does not get to forget the one before");
}

static void opaque(void)
{
	AUTO_TREE *image = tree_new(), *lower = LAYER(1, "d/", "d/a", "d/s/", "d/s/x", "d/s/y");
	AUTO_TREE *upper = LAYER(2, "d/", "d/s/", "d/s/x");

	tree_find(upper, "d")->flags |= NODE_OPAQUE;
	on_top(image, lower);
	on_top(image, upper);
	merge_finish(image);
	ok(!has(image, "d/a") && !has(image, "d/s/y"), "an opaque directory hides all below");
	ok(has(image, "d/s/x") && tree_find(image, "d/s/x")->file->uid == 2,
	   "... but not what the layer itself has in it");
	ok(hides(upper, "d/a") && hides(upper, "d/s/y"),
	   "... with explicit whiteouts, also deeper");
	ok(!hides(upper, "d/s"), "... where they are needed");
}

static void types(void)
{
	AUTO_TREE *image = tree_new(), *lower = LAYER(1, "a/", "a/x", "b");
	AUTO_TREE *upper = LAYER(2, "a", "b/", "b/y");

	on_top(image, lower);
	on_top(image, upper);
	merge_finish(image);
	ok(has(image, "a") && !has(image, "a/x"), "a file replaces a directory");
	ok(has(image, "b/y"), "a directory replaces a file");
}

static void restacked(void)
{
	AUTO_TREE *first = tree_new(), *second = tree_new();
	AUTO_TREE *base = LAYER(1, "d/", "d/a"), *other = LAYER(3, "d/", "d/b");
	AUTO_TREE *upper = LAYER(2, "d/");

	tree_find(upper, "d")->flags |= NODE_OPAQUE;
	on_top(first, base);
	on_top(first, upper);
	on_top(second, other);
	on_top(second, upper);
	ok(hides(upper, "d/a") && hides(upper, "d/b"), "on another base whiteouts are only added");
	ok(!has(second, "d/b"), "... and the image is right there too");
}

static void settled(void)
{
	AUTO_TREE *first = tree_new(), *second = tree_new(), *third = tree_new();
	AUTO_TREE *base = LAYER(1, "d/", "d/a", "f"), *other = LAYER(3, "d/", "d/b", "f");
	AUTO_TREE *upper = LAYER(2, "d/x");
	struct node *link = put(upper, "-l", 0);

	tree_find(upper, "d")->flags |= NODE_OPAQUE;
	link->flags = 0;
	link->lower_link = xstrdup("f");
	on_top(first, base);
	on_top(first, upper);
	ok(settle_is_exact(upper), "a layer has exactly what it needs");
	on_top(second, other);
	on_top(second, upper);
	ok(!settle_is_exact(upper) && hides(upper, "d/a") && link->file->uid == 1,
	   "... but not on another base");
	ok(tree_find(second, "l")->file->uid == 3, "... where the image is right nevertheless");
	settle_clear(upper);
	on_top(third, other);
	on_top(third, upper);
	ok(settle_is_exact(upper) && !tree_find(upper, "d/a") && hides(upper, "d/b"),
	   "cleared before, it has what it needs there");
	ok(link->file->uid == 3 && tree_find(upper, "d")->file->uid == 3,
	   "... and the files and metadata of that base");
}

/* What was added to one tree of a layer is added to another one, if that has a directory for it. */
static void additions(void)
{
	AUTO_TREE *ours = LAYER(1, "d/", "d/e/", "-d/w");
	AUTO_TREE *fits = LAYER(1, "d/"), *lacks = LAYER(1, "x/"), *file = LAYER(1, "d"),
		  *hidden = LAYER(1, "-d");
	struct tree *others[] = {lacks, file, hidden};
	ducc_error *err = NULL;

	tree_find(ours, "d")->stored = true;
	ok(settle_add_missing(fits, ours, &err) == 0 && has(fits, "d/e") && hides(fits, "d/w"),
	   "additions fit another tree of the layer");
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		ok(settle_add_missing(others[i], ours, &err) < 0,
		   "... but not one without the directory, %zu", i);
		says(&err, "d is not a directory in another listing", "... which is named");
	}
}

static void refusals(void)
{
	AUTO_TREE *image = tree_new(), *lower = LAYER(1, "s");
	AUTO_TREE *through = LAYER(2, "s/x"), *dangling = LAYER(2, "f");
	struct node *link = put(dangling, "-l", 0);
	ducc_error *err = NULL;

	link->flags = 0;
	link->lower_link = xstrdup("nowhere");
	on_top(image, lower);
	ok(merge_layer(image, through, &err) < 0, "a file as parent is refused");
	says(&err, "s is a parent", "... by name");
	ok(merge_layer(image, dangling, &err) < 0, "a hard link to nothing is refused");
	says(&err, "l: hard link to nowhere", "... by name");
}

int main(void)
{
	whiteouts();
	opaque();
	types();
	restacked();
	settled();
	additions();
	refusals();
	return done_testing();
}

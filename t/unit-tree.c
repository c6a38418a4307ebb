/* Trees: adding and removing nodes, sorting directories and extended attributes. */
#include <stdlib.h>

#include "base/mem.h"
#include "content/tree.h"
#include "tap.h"

/* The names of the children, in their order, and again from the last to the first. */
static char *children(const struct node *dir)
{
	struct buffer names = {0};
	const struct node *last = NULL;

	for (const struct node *child = dir->children; child; child = child->next) {
		buffer_addf(&names, "%s ", child->name);
		last = child;
	}
	buffer_addc(&names, '|');
	for (; last; last = last->previous)
		buffer_addf(&names, " %s", last->name);
	return buffer_steal(&names);
}

static void fill(struct tree *tree, struct node *dir, const char *names)
{
	for (; *names; names++)
		tree_add(tree, dir, names, 1);
}

static void has_children(const struct node *dir, const char *want, const char *title)
{
	AUTO_FREE char *got = children(dir);

	is_string(got, want, title);
}

static void detaching(void)
{
	AUTO_TREE *tree = tree_new();
	struct node *root = tree_root(tree), *node;

	fill(tree, root, "ecabd");
	tree_sort(tree);
	has_children(root, "a b c d e | e d c b a", "sorted by name");
	tree_remove(tree, tree_find(tree, "c"));
	has_children(root, "a b d e | e d b a", "one in the middle is removed");
	tree_remove(tree, tree_find(tree, "a"));
	has_children(root, "b d e | e d b", "... the first");
	tree_remove(tree, tree_find(tree, "e"));
	has_children(root, "b d | d b", "... the last");
	ok(!tree_find(tree, "c") && tree_count(tree) == 2, "... and is not found any more");
	node = tree_find(tree, "d");
	fill(tree, node, "xy");
	tree_detach(tree, node);
	has_children(root, "b | b", "a directory is detached");
	ok(tree_child(tree, node, "x", 1) && !node->next && !node->previous,
	   "... with what is in it");
	tree_free_detached(tree, node);
	ok(tree_count(tree) == 1, "... and freed with it");
	tree_remove(tree, tree_find(tree, "b"));
	has_children(root, "|", "the only one is removed");
	fill(tree, root, "z");
	has_children(root, "z | z", "... and another one takes its place");
}

static void moving(void)
{
	AUTO_TREE *tree = tree_new();
	struct node *from = tree_add(tree, tree_root(tree), "from", 4);
	struct node *to = tree_add(tree, tree_root(tree), "to", 2);

	fill(tree, from, "cab");
	fill(tree, to, "d");
	tree_move_children(tree, from, to);
	tree_sort(tree);
	has_children(from, "|", "all children are moved");
	has_children(to, "a b c d | d c b a", "... to the others");
	ok(tree_find(tree, "to/b") && !tree_find(tree, "from/b"), "... and are found there");
	tree_remove_children(tree, to);
	has_children(to, "|", "all children are removed");
	ok(tree_count(tree) == 2, "... and counted no more");
}

static void check_xattr(const struct file *file, size_t i, const char *name, const char *value)
{
	const struct xattr *xattr = i < file->n_xattrs ? &file->xattrs[i] : NULL;

	ok(xattr && !strcmp(xattr->name, name) && xattr->len == strlen(value) &&
		   !memcmp(xattr->value, value, xattr->len),
	   "%s is %s", name, value);
}

static void attributes(void)
{
	struct file *file = file_new(S_IFREG), *other = file_new(S_IFREG);

	file_sort_xattrs(file);
	ok(!file->n_xattrs, "no attribute is sorted");
	file_add_xattr(file, "user.c", "early", 5);
	file_add_xattr(file, "user.a", "1", 1);
	file_add_xattr(file, "user.c", "late", 4);
	file_add_xattr(file, "user.b", NULL, 0);
	file_add_xattr(file, "user.a", "2", 1);
	file_add_xattr(file, "user.c", "latest", 6);
	file_sort_xattrs(file);
	ok(file->n_xattrs == 3, "each name is there once");
	check_xattr(file, 0, "user.a", "2");
	check_xattr(file, 1, "user.b", "");
	check_xattr(file, 2, "user.c", "latest");
	ok(!file_same_metadata(file, other), "none are not the same as some");
	file_add_xattr(other, "user.c", "latest", 6);
	file_add_xattr(other, "user.a", "2", 1);
	file_sort_xattrs(other);
	ok(!file_same_metadata(file, other), "nor are some as more");
	file_add_xattr(other, "user.b", "", 0);
	file_sort_xattrs(other);
	ok(file_same_metadata(file, other), "the same ones are the same, however they were added");
	file_add_xattr(other, "user.b", "x", 1);
	file_sort_xattrs(other);
	ok(!file_same_metadata(file, other), "but not with another value");
	file_unref(file);
	file_unref(other);
}

static void digests(void)
{
	AUTO_TREE *tree = tree_new();
	struct digest a = digest_of("a", 1), b = digest_of("b", 1), copy = a;
	const struct digest *first = tree_intern(tree, &a), *second = tree_intern(tree, &b);

	ok(first != &a && digest_equal(first, &a), "a digest is copied");
	ok(second != first && digest_equal(second, &b), "... and so is another");
	ok(tree_intern(tree, &copy) == first && tree_intern(tree, &b) == second,
	   "... and each only once");
}

/* The paths in postorder, each followed by a space. */
static void has_postorder(struct node *root, const char *want, const char *title)
{
	AUTO_BUFFER path = {0}, got = {0};

	for (struct node *node = tree_bottom(root); node; node = tree_next_up(root, node)) {
		node_path(node, &path);
		buffer_addf(&got, "%s ", path.data);
	}
	is_string(got.data, want, title);
}

static void walking_up(void)
{
	AUTO_TREE *tree = tree_new();

	has_postorder(tree_root(tree), " ", "bottom-up: an empty tree");
	tree_make(tree, "a/b/c");
	tree_make(tree, "a/d");
	tree_make(tree, "e/f");
	tree_sort(tree);
	has_postorder(tree_root(tree), "a/b/c a/b a/d a e/f e  ",
		      "... what is in a directory, then that");
	has_postorder(tree_find(tree, "a"), "a/b/c a/b a/d a ", "... beneath a directory");
	has_postorder(tree_find(tree, "a/d"), "a/d ", "... beneath none");
}

int main(void)
{
	detaching();
	walking_up();
	moving();
	attributes();
	digests();
	return done_testing();
}

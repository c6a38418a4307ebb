/*
 * Comparing the layers of an image, stacked, with its flat tree, all by their listings: see check.h.
 *
 * Layers and flat trees have been compared with their listings, which may still contradict each
 * other: then users of layers and of flat trees see different files.  The layers are merged as for
 * ducc-unpack, on whose answers to what overlayfs cannot know, such as the metadata of an implied
 * directory on other layers, the flat tree depends; but unlike there, what the merge would have to
 * add to a layer is a fault, since overlayfs lacks it.
 */
#include <errno.h>

#include "base/mem.h"
#include "content/listing.h"
#include "content/merge.h"
#include "content/placement.h"
#include "content/settle.h"
#include "format/repo_paths.h"
#include "jobs/check.h"
#include "repo/singularity.h"

struct stack {
	struct check *check;
	struct checked_tree *flat;
	struct checked_image *image;
	const char *directory; /* of the flat tree */
	struct tree *tree;     /* the layers so far */
};

static void differs(const struct stack *stack, const char *path, const char *expected,
		    const char *found)
{
	stack->image->unlike = true;
	check_differs(stack->check, &stack->flat->broken, DIFFERS_STACK,
		      stack->image->published->label, path, expected, found);
}

/* What differs is part of the text, since the kind does not say it. */
static void on_difference(void *ctx, const char *kind, const char *path, const struct node *node,
			  const char *expected, const char *found)
{
	const struct stack *stack = ctx;
	bool exists = strcmp(kind, DIFFERS_MISSING) != 0 && strcmp(kind, DIFFERS_EXTRA) != 0;
	const char *key = exists ? kind : DIFFERS_TYPE;
	AUTO_FREE char *whole = format("%s%s%s", stack->directory, *path ? "/" : "", path);
	AUTO_FREE char *layers = expected ? format("%s=%s", key, expected) : NULL;
	AUTO_FREE char *flat = found ? format("%s=%s", key, found) : NULL;

	(void)node;
	differs(stack, whole, layers, flat);
}

/* Entries that the image needs in the published layer. */
static void report_additions(const struct stack *stack, const struct digest *layer,
			     struct tree *tree)
{
	struct node *root = tree_root(tree);
	AUTO_BUFFER path = {0};

	for (const struct node *node = root; node; node = tree_next(root, node)) {
		AUTO_FREE char *whole = NULL, *text = NULL;

		if (!settle_is_addition(node))
			continue;
		node_path(node, &path);
		whole = layer_path(layer, path.data);
		text = format(DIFFERS_TYPE "=%s",
			      node->file ? listing_type(node->file->mode) : "whiteout");
		differs(stack, whole, text, NULL);
	}
}

static bool can_be_stacked(const struct check *check, const struct digest *layer)
{
	const struct checked_tree *tree = strmap_get(&check->layers, layer->hex);

	return tree && tree->listed && !tree->broken;
}

/* The listing of a layer, which could be read before; NULL, reported, if it cannot now. */
static struct tree *read_layer(struct check *check, const struct digest *layer)
{
	AUTO_CLOSE int fd = repository_open_listing(&check->repository, layer);
	AUTO_FREE char *path = layer_listing(layer);
	AUTO_FREE char *object = format(PRI_DIGEST, layer->hex);
	struct listing_head head;
	struct tree *tree = NULL;
	ducc_error *error = NULL;
	bool broken;

	if (fd < 0)
		error_errno(&error, errno, "%s", path);
	else
		tree = listing_read(fd, &head, &error);
	if (!tree)
		check_error(check, &broken, object, path, error);
	return tree;
}

/* Returns false if the rest cannot be compared. */
static bool add_layer(const struct stack *stack, const struct digest *layer)
{
	AUTO_TREE *tree = NULL, *placed = NULL;
	ducc_error *error = NULL;

	if (can_be_stacked(stack->check, layer))
		tree = read_layer(stack->check, layer);
	if (!tree) {
		stack->flat->unstacked = true;
		return false;
	}
	settle_mark(tree, false);
	if (!placement_holds(stack->tree, tree, false)) {
		/* Where a layer cannot be placed anew, ducc-unpack has read its blob. */
		placed = placement_anew(stack->tree, tree, NULL, NULL);
		if (!placed)
			return false;
	}
	if (merge_layer(stack->tree, placed ? placed : tree, &error) < 0) {
		AUTO_FREE char *path = layer_listing(layer);

		differs(stack, path, NULL, ducc_error_message(error));
		ducc_error_free(error);
		return false;
	}
	report_additions(stack, layer, tree);
	return true;
}

/* The files for Singularity may be those of another version of ducc. */
static void add_files(const struct stack *stack)
{
	struct node *root = tree_root(stack->tree);

	for (struct node *node = root; node; node = tree_next(root, node))
		node->used = true;
	singularity_add(stack->tree, &stack->image->stored.config);
}

static void check_stack(struct stack *stack, struct tree *flat)
{
	const struct published *published = stack->image->published;
	const struct comparison comparison = {
		.context = &stack->check->session->context, .differs = on_difference, .ctx = stack};

	for (size_t i = 0; i < published->n_layers; i++)
		if (context_cancelled(&stack->check->session->context) ||
		    !add_layer(stack, &published->layers[i]))
			return;
	merge_finish(stack->tree);
	add_files(stack);
	compare_trees(&comparison, stack->tree, flat);
}

void check_stacks(struct check *check, struct checked_tree *tree, const char *directory,
		  struct tree *flat)
{
	tree->unstacked = false;
	for (struct checked_image *image = tree->stacks; image; image = image->next_stack) {
		struct stack stack = {check, tree, image, directory, tree_new()};

		check_stack(&stack, flat);
		tree_free(stack.tree);
	}
}

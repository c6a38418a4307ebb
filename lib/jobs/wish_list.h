/*
 * Wish lists, from files or URLs: recipes (recipe.h), and plain lists: records, one per line,
 * with comments (ducc-recipe(5)).
 */
#ifndef DUCC_WISH_LIST_H
#define DUCC_WISH_LIST_H

#include "format/recipe.h"
#include "net/network.h"

struct wish {
	unsigned line;
	bool excludes;       /* it names images that are not wanted ... */
	bool has_excluded;   /* ... and some were wanted otherwise */
	ducc_record *record; /* with the reference as written; NULL: see error */
	ducc_error *error;
};

struct wish_list {
	char *name; /* for messages */
	bool is_recipe;
	char *user, *repository, *output_format; /* of a recipe; NULL: not given */
	struct wish *wishes;
	size_t n, capacity;
};

/*
 * Reads a list: a file, `-` for standard input, or an http or https URL.  After an error
 * only the name is set.  Errors and warnings name the list.
 */
int wish_list_read(struct wish_list *list, const char *where, struct network *network,
		   ducc_error **err);
void wish_list_free(struct wish_list *list);

#endif

/*
 * Wish lists, from wherever they are: recipes (recipe.h), and plain lists, which
 * are records, one a line, with comments (ducc-recipe(5)).
 */
#ifndef DUCC_WISHLIST_H
#define DUCC_WISHLIST_H

#include "recipe.h"
#include "network.h"

struct wish {
	unsigned line;
	ducc_record *record; /* its reference as it was written; NULL: error tells */
	ducc_error *error;
};

struct wishlist {
	char *name; /* for messages */
	/* Of a recipe; NULL: not told.  A plain list has no output_format. */
	char *user, *repository, *output_format;
	struct wish *wishes;
	size_t n, capacity;
};

/*
 * Reads a list: a file, `-` for standard input, or an http or https URL.  On an
 * error nothing but the name is there.  Errors and warnings name the list.
 */
int wishlist_read(struct wishlist *list, const char *where, struct network *network,
		  ducc_error **err);
void wishlist_free(struct wishlist *list);

#endif

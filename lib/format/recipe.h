/*
 * Recipes: DUCC's wish lists in YAML, version 1 (ducc-recipe(5)).
 *
 * Only what a recipe says; what its texts mean is found out elsewhere.  None of
 * them holds a control character.  Errors begin with "line N: " where one is to
 * blame.
 */
#ifndef DUCC_RECIPE_H
#define DUCC_RECIPE_H

#include <stddef.h>

#include "base/error.h"

/* Something in the recipe, and its line, from 1. */
struct recipe_text {
	char *text;
	unsigned line;
};

struct recipe_texts {
	struct recipe_text *items;
	size_t n, capacity;
};

struct recipe {
	struct recipe_text user, repository, output_format; /* text NULL: not there */
	struct recipe_texts images;                         /* text NULL: not a plain text */
	struct recipe_texts unknown;                        /* keys that mean nothing here */
};

int recipe_parse(struct recipe *recipe, const char *data, size_t len, ducc_error **err);
void recipe_free(struct recipe *recipe);

#define AUTO_RECIPE __attribute__((cleanup(recipe_free))) struct recipe

#endif

/*
 * Recipes: DUCC's wish lists in YAML, version 1 (ducc-recipe(5)).
 *
 * Parses the recipe only; its strings are interpreted elsewhere.  They contain no
 * control characters.  Errors begin with "line N: " where a line is at fault.
 */
#ifndef DUCC_RECIPE_H
#define DUCC_RECIPE_H

#include <stddef.h>

#include "base/error.h"

/* A string in the recipe, and its line, from 1. */
struct recipe_text {
	char *text;
	unsigned line;
};

struct recipe_texts {
	struct recipe_text *items;
	size_t n, capacity;
};

struct recipe {
	struct recipe_text user, repository, output_format; /* text NULL: missing */
	struct recipe_texts images;                         /* text NULL: not a plain string */
	struct recipe_texts unknown;                        /* unknown keys */
};

/* After an error only the unknown keys are set, which may explain it; free the recipe then, too. */
int recipe_parse(struct recipe *recipe, const char *data, size_t len, ducc_error **err);
void recipe_free(struct recipe *recipe);

#define AUTO_RECIPE __attribute__((cleanup(recipe_free))) struct recipe

#endif

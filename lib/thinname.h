/*
 * The names of thin images: a recipe's output_format, with the parts of a
 * reference in the place of its variables.
 */
#ifndef DUCC_THINNAME_H
#define DUCC_THINNAME_H

#include "reference.h"

/* What a recipe without an output_format means. */
#define THINNAME_DEFAULT "$(scheme)://$(registry)/$(repository)_thin:$(tag)"

/* Refuses a format with an unknown variable, or one that does not end. */
int thinname_check(const char *format, ducc_error **err);

/*
 * The name of the image's thin image, a reference in full without a digest, which
 * is not known before it is made: sha256-HEX becomes its tag if there is no other.
 * NULL: it would not be a reference.  The caller frees it.
 */
char *thinname_format(const char *format, const struct reference *image, ducc_error **err);

#endif

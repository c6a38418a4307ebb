/*
 * The names of thin images: a recipe's output_format, with the parts of a
 * reference in the place of its variables.
 */
#ifndef DUCC_THIN_NAME_H
#define DUCC_THIN_NAME_H

#include "format/reference.h"

/* What a recipe without an output_format means. */
#define THIN_NAME_DEFAULT "$(scheme)://$(registry)/$(repository)_thin:$(tag)"

/* Refuses a format with an unknown variable, or one that does not end. */
int thin_name_check(const char *format, ducc_error **err);

/*
 * The name of the image's thin image, a reference in full without a digest, which
 * is not known before it is made: sha256-HEX becomes its tag if there is no other.
 * NULL: it would not be a reference.  The caller frees it.
 */
char *thin_name_format(const char *format, const struct reference *image, ducc_error **err);

#endif

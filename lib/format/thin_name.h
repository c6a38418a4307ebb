/*
 * The names of thin images: a recipe's output_format, with its variables replaced
 * by the parts of a reference.
 */
#ifndef DUCC_THIN_NAME_H
#define DUCC_THIN_NAME_H

#include "format/reference.h"

/* The default output_format of a recipe. */
#define THIN_NAME_DEFAULT "$(scheme)://$(registry)/$(repository)_thin:$(tag)"

/* Refuses a format with an unknown or unterminated variable. */
int thin_name_check(const char *format, ducc_error **err);

/*
 * The name of the image's thin image: a full reference without a digest, which is
 * unknown until the thin image is built; the tag defaults to sha256-HEX.  Returns NULL
 * if the result is not a valid reference.  The caller frees it.
 */
char *thin_name_format(const char *format, const struct reference *image, ducc_error **err);

#endif

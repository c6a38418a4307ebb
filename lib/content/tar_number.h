/*
 * The numbers in tar archives, as container engines read them: POSIX's pax(1), "Extended
 * Description", for octal fields, decimal records and times; GNU's manual of tar, "Basic Tar
 * Format", for binary fields.
 *
 * All return false for anything else, and for numbers that do not fit.
 */
#ifndef DUCC_TAR_NUMBER_H
#define DUCC_TAR_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A field of a header of `len` bytes: octal, between any number of blanks and NULs, of which
 * there may be nothing else; or, if its first bit is set, base 256 in two's complement.
 */
bool tar_number_field(const char *field, size_t len, int64_t *value);
bool tar_number_octal(const char *field, size_t len, int64_t *value);

/* A decimal number, maybe with a sign: `len` bytes. */
bool tar_number_decimal(const char *text, size_t len, int64_t *value);

/*
 * A time in seconds, maybe with a sign and a fraction, which is truncated to nanoseconds; these
 * count forward from *seconds, also before 1970.
 */
bool tar_number_time(const char *text, int64_t *seconds, uint32_t *nanoseconds);

#endif

/*
 * Errors as values: a message that grows outwards.
 *
 * Where something fails, error_set() makes the error and names the cause;
 * callers on the way out prepend what they were doing with error_wrap().
 * Both return -1, so that `return error_set(err, ...)` reads well.  err may be
 * NULL: then the message is not wanted.  The caller owns *err.
 */
#ifndef DUCC_ERROR_H
#define DUCC_ERROR_H

#include "ducc.h"

#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Starts an error; an earlier one in *err is kept (the first cause counts). */
int error_set(ducc_error **err, const char *fmt, ...) PRINTF(2, 3);

/* The same, with ": " and the text for the errno value `code` appended. */
int error_errno(ducc_error **err, int code, const char *fmt, ...) PRINTF(3, 4);

/* Prepends "context: " to the error in *err. */
int error_wrap(ducc_error **err, const char *fmt, ...) PRINTF(2, 3);

/* A copy with the same message, for one cause that stops several images. */
ducc_error *error_copy(const ducc_error *err);

#endif

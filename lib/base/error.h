/*
 * Errors as values: a message that grows outwards.
 *
 * Where something fails, error_set() makes the error and names the cause;
 * callers on the way out prepend what they were doing with error_wrap().
 * All are -1, visibly for compilers and analysers, so that `return error_set(err, ...)`
 * reads well.  err may be NULL: then the message is not wanted.  The caller owns *err.
 *
 * An error has a kind (ducc.h): that of an errno value, or one that error_kind() gives to an
 * error which has none yet.
 */
#ifndef DUCC_ERROR_H
#define DUCC_ERROR_H

#include "ducc.h"

#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

#define MINUS_ONE_AFTER(call)                                                                      \
	__extension__({                                                                            \
		call;                                                                              \
		-1;                                                                                \
	})

/* Starts an error; an earlier one in *err is kept (the first cause counts). */
#define error_set(...) MINUS_ONE_AFTER(error_start(__VA_ARGS__))
void error_start(ducc_error **err, const char *fmt, ...) PRINTF(2, 3);

/* The same with a kind of its own. */
#define error_set_kind(err, kind, ...)                                                             \
	MINUS_ONE_AFTER((error_start(err, __VA_ARGS__), error_classify(err, kind)))

/* The same, with ": " and the text for the errno value `code` appended. */
#define error_errno(...) MINUS_ONE_AFTER(error_start_errno(__VA_ARGS__))
void error_start_errno(ducc_error **err, int code, const char *fmt, ...) PRINTF(3, 4);

/* Prepends "context: " to the error in *err. */
#define error_wrap(...) MINUS_ONE_AFTER(error_prepend(__VA_ARGS__))
void error_prepend(ducc_error **err, const char *fmt, ...) PRINTF(2, 3);

/* Gives the error in *err, if it has no kind yet, that one. */
#define error_kind(...) MINUS_ONE_AFTER(error_classify(__VA_ARGS__))
void error_classify(ducc_error **err, enum ducc_error_kind kind);

/* Hands an error over to the caller, who may not want it. */
#define error_give(...) MINUS_ONE_AFTER(error_hand_over(__VA_ARGS__))
void error_hand_over(ducc_error **err, ducc_error *error);

/* A copy with the same message, for one cause that stops several images. */
ducc_error *error_copy(const ducc_error *err);

#endif

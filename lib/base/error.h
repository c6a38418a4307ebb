/*
 * Errors as values: each caller prepends context to the message.
 *
 * At the point of failure, error_set() creates the error and names the cause;
 * its callers prepend their own context with error_wrap().
 * All evaluate to -1, visibly for compilers and analysers, so that
 * `return error_set(err, ...)` works.  err may be NULL: no message is kept.  The caller owns *err.
 *
 * An error has a kind (ducc.h): derived from errno, or assigned by error_kind() if it has
 * none yet.
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

/* Creates an error; an earlier one in *err is kept (the first cause counts). */
#define error_set(...) MINUS_ONE_AFTER(error_start(__VA_ARGS__))
void error_start(ducc_error **err, const char *fmt, ...) PRINTF(2, 3);

/* The same with the given kind. */
#define error_set_kind(err, kind, ...)                                                             \
	MINUS_ONE_AFTER((error_start(err, __VA_ARGS__), error_classify(err, kind)))

/* The same as error_set(), with ": " and the text for the errno value `code` appended. */
#define error_errno(...) MINUS_ONE_AFTER(error_start_errno(__VA_ARGS__))
void error_start_errno(ducc_error **err, int code, const char *fmt, ...) PRINTF(3, 4);

/* Prepends "context: " to the error in *err, unless the error already begins with it. */
#define error_wrap(...) MINUS_ONE_AFTER(error_prepend(__VA_ARGS__))
void error_prepend(ducc_error **err, const char *fmt, ...) PRINTF(2, 3);

/* Appends " (advice)", what the user can do, to the error in *err, unless it has advice. */
void error_advise(ducc_error **err, const char *fmt, ...) PRINTF(2, 3);

/* Sets the kind of the error in *err, unless it already has one. */
#define error_kind(...) MINUS_ONE_AFTER(error_classify(__VA_ARGS__))
void error_classify(ducc_error **err, enum ducc_error_kind kind);

/* Sets the kind of the error in *err, whatever it was. */
void error_reclassify(ducc_error **err, enum ducc_error_kind kind);

/*
 * True if a system call failed for another reason than that a file does not exist: such an error
 * says nothing about what the file contains.
 */
bool error_is_failure(const ducc_error *err);

/*
 * For an error that was met while something was looked for: passes a failure to *err, and returns
 * -1; frees any other error, for which it counts as missing, and returns 0.
 */
int error_pass_failure(ducc_error **err, ducc_error *error);

/* Transfers an error to *err; frees it if err is NULL or *err is already set. */
#define error_give(...) MINUS_ONE_AFTER(error_hand_over(__VA_ARGS__))
void error_hand_over(ducc_error **err, ducc_error *error);

/* A copy with the same kind and message, for a cause that affects several images. */
ducc_error *error_copy(const ducc_error *err);

#endif

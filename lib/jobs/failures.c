/* What a check could not look at: see failures.h. */
#include "jobs/failures.h"

#include "base/mem.h"

#define KEPT ((size_t)1000)

/* Frees the error. */
static void warn(const struct failures *failures, ducc_error *error)
{
	context_notice(failures->context, DUCC_WARNING, "not checked: %s",
		       ducc_error_message(error));
	ducc_error_free(error);
}

void failures_add(struct failures *failures, ducc_error *error)
{
	bool kept;

	pthread_mutex_lock(&failures->mutex);
	kept = failures->n < KEPT;
	if (kept) {
		GROW(failures->errors, failures->n, failures->capacity);
		failures->errors[failures->n++] = error;
	}
	pthread_mutex_unlock(&failures->mutex);
	if (!kept)
		warn(failures, error);
}

void failures_add_errno(struct failures *failures, int code, const char *path)
{
	ducc_error *error = NULL;

	error_errno(&error, code, "%s", *path ? path : ".");
	failures_add(failures, error);
}

int failures_end(struct failures *failures, ducc_error **err)
{
	size_t n = failures->n;

	for (size_t i = 1; i < n; i++)
		warn(failures, STEAL(failures->errors[i]));
	if (n)
		error_give(err, STEAL(failures->errors[0]));
	failures_free(failures);
	return n ? -1 : 0;
}

void failures_free(struct failures *failures)
{
	for (size_t i = 0; i < failures->n; i++)
		ducc_error_free(failures->errors[i]);
	free(failures->errors);
	failures->errors = NULL;
	failures->n = failures->capacity = 0;
}

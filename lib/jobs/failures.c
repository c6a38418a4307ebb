/* What a check could not look at: see failures.h. */
#include "jobs/failures.h"

void failures_add(struct failures *failures, ducc_error *error)
{
	bool first;

	pthread_mutex_lock(&failures->mutex);
	first = !failures->first;
	if (first)
		failures->first = error;
	pthread_mutex_unlock(&failures->mutex);
	if (first)
		return;
	context_notice(failures->context, DUCC_WARNING, "not checked: %s",
		       ducc_error_message(error));
	ducc_error_free(error);
}

void failures_add_errno(struct failures *failures, int code, const char *path)
{
	ducc_error *error = NULL;

	error_errno(&error, code, "%s", *path ? path : ".");
	failures_add(failures, error);
}

int failures_end(struct failures *failures, ducc_error **err)
{
	ducc_error *first = failures->first;

	failures->first = NULL;
	pthread_mutex_destroy(&failures->mutex);
	return first ? error_give(err, first) : 0;
}

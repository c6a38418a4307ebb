/* Reporting differences, and failures to find out: see check.h. */
#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"
#include "jobs/check.h"

void check_differs(struct check *check, bool *broken, const char *kind, const char *object,
		   const char *path, const char *expected, const char *found)
{
	const struct ducc_difference difference = {kind, object, path, expected, found};
	const struct ducc_check_options *options = &check->options;

	pthread_mutex_lock(&check->mutex);
	*broken = true;
	if (!check->stopped && options->difference)
		check->stopped = !options->difference(options->ctx, &difference);
	pthread_mutex_unlock(&check->mutex);
}

void check_absent(struct check *check, bool *broken, const char *object, const char *path,
		  const char *expected)
{
	int code = errno;

	if (is_absence(code))
		check_differs(check, broken, DIFFERS_MISSING, object, path, expected, NULL);
	else if (is_wrong_type(code))
		check_differs(check, broken, DIFFERS_TYPE, object, path, expected, NULL);
	else
		check_failed(check, object, path, code);
}

void check_attributes(struct check *check, bool *broken, const char *object, const char *path)
{
	struct stat st;

	if (repository_stat(&check->repository, path, &st) < 0) {
		check_absent(check, broken, object, path, "file");
		return;
	}
	if (!S_ISREG(st.st_mode)) /* which is reported with the content */
		return;
	if ((st.st_mode & 07777) != REPO_FILE_MODE) {
		AUTO_FREE char *expected = format("%04o", (unsigned)REPO_FILE_MODE);
		AUTO_FREE char *found = format("%04o", (unsigned)st.st_mode & 07777);

		check_differs(check, broken, DIFFERS_MODE, object, path, expected, found);
	}
	if (st.st_uid && st.st_uid != check->owner) {
		AUTO_FREE char *expected = format("%" PRIuMAX, (uintmax_t)check->owner);
		AUTO_FREE char *found = format("%" PRIuMAX, (uintmax_t)st.st_uid);

		check_differs(check, broken, DIFFERS_OWNER, object, path, expected, found);
	}
}

/* To publish it again would not change who may read it. */
static void unreadable(struct check *check, const char *object, const char *path, const char *why)
{
	bool broken;

	check_differs(check, &broken, DIFFERS_UNREADABLE, object, path, NULL, why);
}

void check_failed(struct check *check, const char *object, const char *path, int code)
{
	if (differs_kind(code))
		unreadable(check, object, path, strerror(code));
	else
		failures_add_errno(&check->failures, code, path);
}

void check_error(struct check *check, bool *broken, const char *object, const char *path,
		 ducc_error *error)
{
	const char *kind = differs_kind_of(error);

	if (!kind) {
		failures_add(&check->failures, error);
		return;
	}
	if (!strcmp(kind, DIFFERS_UNREADABLE))
		unreadable(check, object, path, ducc_error_message(error));
	else
		check_differs(check, broken, kind, object, path, NULL, ducc_error_message(error));
	ducc_error_free(error);
}

bool check_is_stopped(struct check *check)
{
	bool stopped;

	pthread_mutex_lock(&check->mutex);
	stopped = check->stopped;
	pthread_mutex_unlock(&check->mutex);
	return stopped;
}

/* Reporting differences, and failures to find out: see check.h. */
#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/text.h"
#include "jobs/check.h"

/* So many differences are not those of a commit, and need not all be kept. */
#define FOUND_LIMIT ((size_t)16 << 20) /* bytes */

/* --- differences that are kept ---------------------------------------- */

/* Each of the texts follows a byte of its own; an empty string is NULL. */
static void keep(struct buffer *found, const struct ducc_difference *difference)
{
	const char *const texts[] = {difference->kind, difference->object, difference->path,
				     difference->expected, difference->found};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (texts[i])
			buffer_addf(found, "=%s", texts[i]);
		buffer_addc(found, '\0');
	}
}

static const char *kept(const char **at)
{
	const char *text = *at;

	*at += strlen(text) + 1;
	return *text ? text + 1 : NULL;
}

static void report(struct check *check, const struct ducc_difference *difference)
{
	const struct ducc_check_options *options = &check->options;

	if (!check->stopped && options->difference)
		check->stopped = !options->difference(options->ctx, difference);
}

static void settle(struct check *check)
{
	const char *at = check->found.data, *end = at ? at + check->found.len : NULL;

	while (at < end) {
		struct ducc_difference difference;

		difference.kind = kept(&at);
		difference.object = kept(&at);
		difference.path = kept(&at);
		difference.expected = kept(&at);
		difference.found = kept(&at);
		report(check, &difference);
	}
	buffer_free(&check->found);
	check->settled = true;
}

void check_settle(struct check *check)
{
	pthread_mutex_lock(&check->mutex);
	settle(check);
	pthread_mutex_unlock(&check->mutex);
}

/* --- differences and failures ----------------------------------------- */

static void suspect(struct check *check, const char *object)
{
	if (object && !check->settled)
		strset_add(&check->suspects, object);
}

void check_differs(struct check *check, bool *broken, const char *kind, const char *object,
		   const char *path, const char *expected, const char *found)
{
	const struct ducc_difference difference = {kind, object, path, expected, found};

	pthread_mutex_lock(&check->mutex);
	*broken = check->doubtful = true;
	suspect(check, object);
	if (check->settled)
		report(check, &difference);
	else
		keep(&check->found, &difference);
	if (check->found.len > FOUND_LIMIT)
		settle(check);
	pthread_mutex_unlock(&check->mutex);
}

void check_unread(struct check *check, const char *object, ducc_error *error)
{
	pthread_mutex_lock(&check->mutex);
	suspect(check, object);
	pthread_mutex_unlock(&check->mutex);
	failures_add(&check->failures, error);
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
	ducc_error *error = NULL;

	if (differs_kind(code)) {
		unreadable(check, object, path, strerror(code));
		return;
	}
	error_errno(&error, code, "%s", *path ? path : ".");
	check_unread(check, object, error);
}

void check_error(struct check *check, bool *broken, const char *object, const char *path,
		 ducc_error *error)
{
	const char *kind = differs_kind_of(error);

	if (!kind) {
		check_unread(check, object, error);
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

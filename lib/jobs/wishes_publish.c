/* The published failures of wanted images: see wishes.h. */
#include <errno.h>
#include <fcntl.h>

#include "base/file.h"
#include "base/text.h"
#include "format/repo_paths.h"
#include "format/url.h"
#include "jobs/wishes.h"
#include "net/auth.h"

/* Adds the images of `more`, in place of what is known of them if `newer`; frees `more`. */
static void add_all(struct strmap *wishes, struct strmap *more, bool newer)
{
	for (size_t i = 0; i < more->keys.n; i++) {
		const char *name = more->keys.list[i];

		if (newer || !strmap_get(wishes, name))
			wish_free(strmap_put(wishes, name, more->values[i]));
		else
			wish_free(more->values[i]);
	}
	strmap_free(more);
}

/* Sets *text to the published list; to NULL, if there is none. */
static int read_published(struct strmap *wishes, char **text, const struct repository *repository,
			  ducc_error **err)
{
	AUTO_FREE char *data = NULL;
	size_t len;
	int found = repository_read(repository, REPO_FAILING, WISHES_LIMIT, &data, &len, err);

	*text = NULL;
	if (found < 0)
		return error_wrap(err, "repository %s", repository->name);
	if (found) {
		*text = xstrdup(data);
		wishes_add(wishes, data, NULL);
	}
	return 0;
}

int wishes_read_published(struct strmap *wishes, const struct repository *repository,
			  ducc_error **err)
{
	struct strmap published = {.values = NULL};
	AUTO_FREE char *text = NULL;
	int result = read_published(&published, &text, repository, err);

	add_all(wishes, &published, false);
	return result;
}

/* Adds the wishes of the session's file.  If it cannot be read, nothing is known. */
static void add_known(struct strmap *wishes, ducc_session *session, const char *repository)
{
	AUTO_CLOSE int fd = session->wishes ? open(session->wishes, O_RDONLY | O_CLOEXEC) : -1;
	struct strmap known = {.values = NULL};
	struct buffer data = {0};
	ducc_error *error = NULL;

	if (!session->wishes)
		return;
	if (fd < 0)
		error_errno(&error, errno, "%s", session->wishes);
	else if (read_stream(fd, WISHES_LIMIT, &data, &error) < 0)
		error_wrap(&error, "%s", session->wishes);
	else if (data.len)
		wishes_add(&known, data.data, session->repository ? NULL : repository);
	if (error)
		context_notice(&session->context, DUCC_WARNING, "%s", ducc_error_message(error));
	ducc_error_free(error);
	buffer_free(&data);
	add_all(wishes, &known, true);
}

/* Everybody can read it: without secrets, the user at the registry, and the publisher's paths. */
static char *public_error(const char *error)
{
	AUTO_FREE char *user = auth_hide_user(error), *text = url_hide_secrets(user);

	return text_hide_paths(text);
}

static int print_wish(struct buffer *text, const struct wish *wish, ducc_error **err)
{
	AUTO_FREE char *error = public_error(wish->error ? wish->error : ""), *line = NULL;
	ducc_record *record = ducc_record_new(wish->reference, err);

	if (!record)
		return -1;
	if (!ducc_record_set(record, "failing", wish->failing, err) &&
	    !ducc_record_set(record, "error", error, err))
		line = ducc_record_format(record);
	ducc_record_free(record);
	if (line)
		buffer_addf(text, "%s\n", line);
	return line ? 0 : -1;
}

/* The list as text, which the caller frees; NULL with *err set on failure. */
static char *print_failing(const struct strmap *wishes, bool (*done)(void *ctx, const char *name),
			   void *ctx, ducc_error **err)
{
	AUTO_STRSET names = {NULL};
	AUTO_BUFFER text = {0};

	for (size_t i = 0; i < wishes->keys.n; i++) {
		const struct wish *wish = wishes->values[i];

		if (wish->failing && !done(ctx, wishes->keys.list[i]))
			strset_add(&names, wishes->keys.list[i]);
	}
	strset_sort(&names);
	buffer_adds(&text, "");
	for (size_t i = 0; i < names.n; i++)
		if (print_wish(&text, strmap_get(wishes, names.list[i]), err) < 0)
			return NULL;
	return buffer_steal(&text);
}

int wishes_publish(ducc_session *session, struct transaction *transaction,
		   bool (*done)(void *ctx, const char *name), void *ctx, ducc_error **err)
{
	const struct repository *repository = transaction->repository;
	struct strmap wishes = {.values = NULL};
	AUTO_FREE char *before = NULL, *after = NULL;
	ducc_error *damage = NULL;
	bool unreadable;

	if (transaction_is_empty(transaction))
		return 0;
	if (read_published(&wishes, &before, repository, &damage) == 0 && !before)
		before = xstrdup("");
	unreadable = damage && error_is_failure(damage); /* it may be sound */
	if (damage)
		context_notice(&session->context, DUCC_WARNING, "%s; %s",
			       ducc_error_message(damage),
			       unreadable ? "left as it is" : "replaced");
	ducc_error_free(damage);
	if (unreadable)
		return 0;
	add_known(&wishes, session, repository->name);
	after = print_failing(&wishes, done, ctx, err);
	wishes_free(&wishes);
	if (!after)
		return -1;
	if (before && !strcmp(before, after))
		return 0;
	return transaction_replace_file(transaction, REPO_FAILING, after, strlen(after), err);
}

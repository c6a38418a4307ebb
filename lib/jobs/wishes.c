/* What is known about wanted images: see wishes.h. */
#include "jobs/wishes.h"

#include <errno.h>
#include <fcntl.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/path.h"
#include "format/reference.h"

static void replace(char **text, const char *by)
{
	if (!by)
		return;
	free(*text);
	*text = xstrdup(by);
}

static void add_list(struct wish *wish, const char *list)
{
	char *lists;

	if (!list)
		return;
	lists = wish->lists ? format("%s, %s", wish->lists, list) : xstrdup(list);
	free(wish->lists);
	wish->lists = lists;
}

/* True for a record that ducc-convert or wishes_publish() may have written. */
static bool is_wish(const ducc_record *record, const char *repository)
{
	const char *wanted_in = ducc_record_get(record, "repo");
	const char *list = ducc_record_get(record, "list");
	const char *failing = ducc_record_get(record, "failing");
	time_t since;

	if (failing && !clock_parse(failing, &since))
		return false;
	if (repository)
		return list && wanted_in && !strcmp(wanted_in, repository);
	return list || failing;
}

static void add_record(struct strmap *wishes, const ducc_record *record, const char *repository)
{
	AUTO_REFERENCE reference = {NULL};
	AUTO_FREE char *name = NULL;
	struct wish *wish;

	if (!is_wish(record, repository))
		return;
	if (reference_parse_pattern(&reference, ducc_record_reference(record), NULL) < 0)
		return;
	name = reference_name(&reference);
	wish = strmap_get(wishes, name);
	if (!wish) {
		wish = xcalloc(1, sizeof(*wish));
		wish->reference = xstrdup(ducc_record_reference(record));
		strmap_put(wishes, name, wish);
	}
	add_list(wish, ducc_record_get(record, "list"));
	replace(&wish->failing, ducc_record_get(record, "failing"));
	replace(&wish->error, ducc_record_get(record, "error"));
}

void wishes_add(struct strmap *wishes, char *records, const char *repository)
{
	char *line;

	while ((line = strsep(&records, "\n"))) {
		ducc_record *record = *line && *line != '#' ? ducc_record_parse(line, NULL) : NULL;

		if (record)
			add_record(wishes, record, repository);
		ducc_record_free(record);
	}
}

struct wish_files wish_files_open(const char *store)
{
	AUTO_CLOSE int root = open(store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct wish_files files = {.entries = entries_open(root, "wishes")};
	const char *name;

	while ((name = entries_next(&files.entries)))
		if (!strchr(name, '.')) /* left behind by an earlier ducc-convert */
			strset_add(&files.names, name);
	if (files.entries.error && files.entries.error != ENOENT)
		error_errno(&files.error, files.entries.error, "list");
	strset_sort(&files.names);
	return files;
}

bool wish_files_next(struct wish_files *files)
{
	while (files->next < files->names.n) {
		ducc_error *error = NULL;
		size_t len;

		files->name = files->names.list[files->next++];
		free(STEAL(files->data));
		if (!path_read(files->entries.fd, files->name, WISHES_LIMIT, &files->data, &len,
			       &error)) {
			files->whole =
				len && files->data[len - 1] == '\n' && strlen(files->data) == len;
			return true;
		}
		error_give(&files->error, error);
	}
	return false;
}

void wish_files_close(struct wish_files *files)
{
	entries_close(&files->entries);
	strset_free(&files->names);
	free(files->data);
	ducc_error_free(files->error);
}

void wishes_read(struct strmap *wishes, const char *store, const char *repository)
{
	AUTO_WISH_FILES files = wish_files_open(store);

	while (wish_files_next(&files))
		wishes_add(wishes, files.data, repository);
}

void wish_free(void *value)
{
	struct wish *wish = value;

	if (!wish)
		return;
	free(wish->reference);
	free(wish->lists);
	free(wish->failing);
	free(wish->error);
	free(wish);
}

void wishes_free(struct strmap *wishes)
{
	strmap_free_values(wishes, wish_free);
}

/* What is known about wanted images: see wishes.h. */
#include "jobs/wishes.h"

#include <fcntl.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/entries.h"
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

static void read_list(struct strmap *wishes, int directory, const char *name,
		      const char *repository)
{
	AUTO_FREE char *data = NULL;
	size_t len;

	if (!path_read(directory, name, WISHES_LIMIT, &data, &len, NULL))
		wishes_add(wishes, data, repository);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void wishes_read(struct strmap *wishes, const char *store, const char *repository)
{
	AUTO_CLOSE int root = open(store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_ENTRIES entries = entries_open(root, "wishes");
	AUTO_FREE char **names = NULL;
	size_t n = 0, capacity = 0;
	const char *name;

	while ((name = entries_next(&entries))) {
		if (strchr(name, '.')) /* left behind by an earlier ducc-convert */
			continue;
		GROW(names, n, capacity);
		names[n++] = xstrdup(name);
	}
	if (n)
		qsort(names, n, sizeof(*names), compare_names);
	for (size_t i = 0; i < n; i++) {
		read_list(wishes, entries.fd, names[i], repository);
		free(names[i]);
	}
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

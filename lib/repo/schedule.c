/* The removal schedule: see schedule.h. */
#include "repo/schedule.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/path.h"
#include "format/json.h"
#include "format/repo_paths.h"

#define LIMIT ((size_t)1 << 28) /* bytes */
#define VERSION 1

static int compare(const void *a, const void *b)
{
	const struct scheduled *left = a, *right = b;

	return strcmp(left->path, right->path);
}

void schedule_add(struct schedule *schedule, const char *path, time_t since, bool removing)
{
	GROW(schedule->entries, schedule->n, schedule->capacity);
	schedule->entries[schedule->n++] = (struct scheduled){xstrdup(path), since, removing};
}

void schedule_sort(struct schedule *schedule)
{
	if (schedule->n)
		qsort(schedule->entries, schedule->n, sizeof(*schedule->entries), compare);
}

const struct scheduled *schedule_find(const struct schedule *schedule, const char *path)
{
	AUTO_FREE char *key = xstrdup(path);
	struct scheduled wanted = {.path = key};

	if (!schedule->n)
		return NULL;
	return bsearch(&wanted, schedule->entries, schedule->n, sizeof(wanted), compare);
}

bool schedule_take(struct schedule *schedule, const char *path)
{
	const struct scheduled *found = schedule_find(schedule, path);
	size_t i;

	if (!found)
		return false;
	i = (size_t)(found - schedule->entries);
	free(schedule->entries[i].path);
	schedule->n--;
	memmove(schedule->entries + i, schedule->entries + i + 1,
		(schedule->n - i) * sizeof(*schedule->entries));
	return true;
}

bool schedule_is_future(const struct scheduled *scheduled, time_t now)
{
	return scheduled->since > now + 86400;
}

void schedule_drop(struct schedule *schedule,
		   bool (*stale)(void *ctx, const struct scheduled *scheduled), void *ctx)
{
	size_t n = 0;

	for (size_t i = 0; i < schedule->n; i++) {
		if (stale(ctx, &schedule->entries[i]))
			free(schedule->entries[i].path);
		else
			schedule->entries[n++] = schedule->entries[i];
	}
	schedule->n = n;
}

void schedule_free(struct schedule *schedule)
{
	for (size_t i = 0; i < schedule->n; i++)
		free(schedule->entries[i].path);
	free(schedule->entries);
	*schedule = (struct schedule){NULL};
}

static bool parse(struct schedule *schedule, const char *data, size_t len)
{
	AUTO_JSON *json = json_parse_paths(data, len, REPO_SCHEDULE, NULL);
	const cJSON *entries, *entry;
	uint64_t version;

	if (!json || json_get_size(json, "version", &version, NULL) < 0 || version != VERSION ||
	    json_get_array(json, "remove", &entries, NULL) < 0)
		return false;
	cJSON_ArrayForEach(entry, entries)
	{
		const char *path, *text;
		time_t since;

		if (json_get_string(entry, "path", &path, NULL) < 0 || !path_is_clean(path) ||
		    json_get_string(entry, "since", &text, NULL) < 0 || !clock_parse(text, &since))
			return false;
		schedule_add(schedule, path, since, cJSON_IsTrue(json_member(entry, "removing")));
	}
	schedule_sort(schedule);
	return true;
}

bool schedule_parse(struct schedule *schedule, const char *data, size_t len)
{
	*schedule = (struct schedule){NULL};
	if (parse(schedule, data, len))
		return true;
	schedule_free(schedule);
	return false;
}

int schedule_read(struct schedule *schedule, const struct repository *repository, ducc_error **err)
{
	AUTO_FREE char *data = NULL;
	size_t len;
	ducc_error *error = NULL;
	int found = repository_read(repository, REPO_SCHEDULE, LIMIT, &data, &len, &error);

	*schedule = (struct schedule){NULL};
	if (error) /* or it is not even a file */
		return error_pass_failure(err, error) < 0 ? -1 : 1;
	if (!found)
		return 0;
	return schedule_parse(schedule, data, len) ? 0 : 1;
}

char *schedule_print(const struct schedule *schedule, ducc_error **err)
{
	AUTO_JSON *json = json_object();
	cJSON *entries = json_array();

	json_set_size(json, "version", VERSION);
	json_set(json, "remove", entries);
	for (size_t i = 0; i < schedule->n; i++) {
		const struct scheduled *scheduled = &schedule->entries[i];
		AUTO_FREE char *since = clock_format(scheduled->since);
		cJSON *entry = json_object();

		json_append(entries, entry);
		json_set_string(entry, "path", scheduled->path);
		json_set_string(entry, "since", since);
		if (scheduled->removing)
			json_set(entry, "removing", xalloc(cJSON_CreateTrue()));
		if (!path_is_clean(scheduled->path)) {
			error_set(err, "invalid path in a repository: %s", scheduled->path);
			return NULL;
		}
	}
	return json_print(json, true);
}

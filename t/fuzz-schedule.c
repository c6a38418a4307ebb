/* Schedules: what is written is read again, entry for entry, and nothing else is. */
#include "base/path.h"
#include "fuzz.h"
#include "repo/schedule.h"

static const char *const seeds[] = {
	"{\"version\":1,\"remove\":[{\"path\":\"localhost/"
	"app:v1\",\"since\":\"2026-11-25T21:00:00Z\"},"
	"{\"path\":\".flat/ab/abcd\",\"since\":\"1970-01-01T00:00:00Z\",\"removing\":true}]}",
	"localhost/app:v1\n.layers/01/0123",
	"localhost/\xdd:v1\n.\xff/01",
};

static const char *const words[] = {
	"\n",
	"\"",
	"\\",
	"\\u0000",
	"\\n",
	"..",
	"/",
	"//",
	"\"path\":",
	"\"since\":",
	"null",
	"-1",
	"1e9",
	"\xff",
	"{",
	"}",
	"],",
	"2026-02-30T00:00:00Z",
	"2026-1-1T0:0:0Z",
	"9999-12-31T23:59:59Z",
	"true",
	" ",
};

static void is_same(const struct schedule *a, const struct schedule *b)
{
	FUZZ_CHECK(a->n == b->n);
	for (size_t i = 0; i < a->n; i++)
		FUZZ_CHECK(!strcmp(a->entries[i].path, b->entries[i].path) &&
			   a->entries[i].since == b->entries[i].since &&
			   a->entries[i].removing == b->entries[i].removing);
}

static void is_sound(struct schedule *schedule)
{
	struct schedule again;
	AUTO_FREE char *text = schedule_print(schedule, NULL);

	FUZZ_CHECK(text && schedule_parse(&again, text, strlen(text)));
	is_same(schedule, &again);
	schedule_free(&again);
}

static void try_text(const char *text, size_t len)
{
	struct schedule schedule;

	if (!schedule_parse(&schedule, text, len)) {
		FUZZ_CHECK(!schedule.n);
		return;
	}
	for (size_t i = 0; i < schedule.n; i++)
		FUZZ_CHECK(path_is_clean(schedule.entries[i].path));
	/* Of equal paths, which is first can change. */
	for (size_t i = 1; i < schedule.n; i++)
		if (!strcmp(schedule.entries[i - 1].path, schedule.entries[i].path)) {
			schedule_free(&schedule);
			return;
		}
	is_sound(&schedule);
	schedule_free(&schedule);
}

/* Each line is a path. */
static void try_paths(char *text, size_t len)
{
	struct schedule schedule = {NULL};
	ducc_error *err = NULL;
	AUTO_FREE char *printed = NULL;
	bool clean = true;

	for (char *next = text; next;) {
		const char *path = strsep(&next, "\n");

		clean = clean && path_is_clean(path);
		if (!schedule.n || strcmp(path, schedule.entries[0].path) != 0)
			schedule_add(&schedule, path, (time_t)(len * 1000 + schedule.n), len % 2);
	}
	printed = schedule_print(&schedule, &err);
	FUZZ_CHECK(!printed == !clean && !printed == (err != NULL));
	fuzz_message(&err);
	schedule_sort(&schedule);
	for (size_t i = 1; clean && i < schedule.n; i++)
		clean = strcmp(schedule.entries[i - 1].path, schedule.entries[i].path) != 0;
	if (clean)
		is_sound(&schedule);
	schedule_free(&schedule);
}

static void fuzz_one(const uint8_t *data, size_t len)
{
	AUTO_FREE char *text = fuzz_string(data, len);

	try_text((const char *)data, len);
	try_paths(text, len);
}

FUZZ_MAIN(seeds, words, 25000)

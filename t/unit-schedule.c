/* The schedule of removals, .metadata/remove-schedule.json as in ducc-repository(5). */
#include <stdlib.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "repo/schedule.h"
#include "tap.h"

#define NOON ((time_t)1795608000) /* 2026-11-25T12:00:00Z */
#define ENTRY "{\"path\":\"h/a:1\",\"since\":\"2026-11-25T12:00:00Z\"}"
#define REMOVE(entries) "{\"version\":1,\"remove\":[" entries "]}"

static char *describe(const struct schedule *schedule)
{
	struct buffer text = {0};

	for (size_t i = 0; i < schedule->n; i++)
		buffer_addf(&text, "%s%s %+ld%s", i ? ", " : "", schedule->entries[i].path,
			    (long)(schedule->entries[i].since - NOON),
			    schedule->entries[i].removing ? " removing" : "");
	return buffer_steal(&text);
}

static void means(const char *text, const char *want)
{
	struct schedule schedule;
	AUTO_FREE char *got = NULL;

	ok(schedule_parse(&schedule, text, strlen(text)), "read: %s", text);
	got = describe(&schedule);
	is_string(got, want, "... and understood");
	schedule_free(&schedule);
}

static void refused_bytes(const char *data, size_t len)
{
	struct schedule schedule;

	ok(!schedule_parse(&schedule, data, len) && !schedule.n && !schedule.entries,
	   "none of ours: %.70s", data);
}

static void refused(const char *text)
{
	refused_bytes(text, strlen(text));
}

static void reading(void)
{
	means(REMOVE(""), "");
	means(REMOVE(ENTRY), "h/a:1 +0");
	means(REMOVE("{\"path\":\".flat/ab/abc\",\"since\":\"2026-11-25T11:59:59Z\","
		     "\"removing\":true,\"future\":7}," ENTRY),
	      ".flat/ab/abc -1 removing, h/a:1 +0");
	means(REMOVE(ENTRY ",{\"path\":\"h/a\",\"since\":\"2026-11-25T12:00:00Z\"}"),
	      "h/a +0, h/a:1 +0");
	means(REMOVE("{\"path\":\"x\",\"since\":\"2026-11-25T12:00:01Z\",\"removing\":false}"),
	      "x +1");
	means(REMOVE("{\"path\":\"x\",\"since\":\"2028-02-29T12:00:00Z\"}"), "x +39830400");
}

/* Of what is damaged nothing counts: no path and no time is made up. */
static void no_schedules(void)
{
	refused("");
	refused("[]");
	refused("{}");
	refused("{\"version\":1}");
	refused("{\"remove\":[]}");
	refused("{\"version\":2,\"remove\":[]}");
	refused("{\"version\":\"1\",\"remove\":[]}");
	refused("{\"version\":1,\"remove\":{}}");
	refused(REMOVE("7"));
	refused(REMOVE("{}"));
	refused(REMOVE("{\"path\":\"x\"}"));
	refused(REMOVE("{\"since\":\"2026-11-25T12:00:00Z\"}"));
	refused(REMOVE("{\"path\":7,\"since\":\"2026-11-25T12:00:00Z\"}"));
	refused(REMOVE("{\"path\":\"x\",\"since\":1795608000}"));
	refused(REMOVE(ENTRY ",{}"));
	refused(REMOVE(ENTRY) "x");
	/* The original ducc's */
	refused("[[\"2026-11-25T12:00:00Z\",\"h/a:1\"]]");
	refused_bytes(REMOVE(ENTRY), sizeof(REMOVE(ENTRY)) - 2);
	refused_bytes("\0", 1);
}

static void unclean(const char *path)
{
	struct schedule schedule = {NULL};
	AUTO_FREE char *text =
		format(REMOVE("{\"path\":\"%s\",\"since\":\"2026-11-25T12:00:00Z\"}"), path);
	AUTO_FREE char *printed = NULL;
	ducc_error *err = NULL;

	refused(text);
	schedule_add(&schedule, "x", NOON, false);
	schedule_add(&schedule, path, NOON, false);
	printed = schedule_print(&schedule, &err);
	ok(!printed, "... nor is it written");
	says(&err, "path", "... which is said");
	schedule_free(&schedule);
}

/* RFC 3339, in UTC, as ducc writes it. */
static void times(void)
{
	static const char *const bad[] = {
		"",
		"2026-11-25",
		"2026-11-25T12:00:00",
		"2026-11-25T12:00:00+00:00",
		"2026-11-25 12:00:00Z",
		"2026-11-25T12:00:00.5Z",
		"2026-11-25T12:00:00Z ",
		" 2026-11-25T12:00:00Z",
		"2026-13-25T12:00:00Z",
		"2026-02-29T12:00:00Z",
		"2026-11-25T24:00:00Z",
		"2026-11-25T12:60:00Z",
		"99999999999999999999-11-25T12:00:00Z",
		"-026-11-25T12:00:00Z",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO_FREE char *text = format(REMOVE("{\"path\":\"x\",\"since\":\"%s\"}"), bad[i]);

		refused(text);
	}
}

static bool is_old(void *ctx, const struct scheduled *scheduled)
{
	return scheduled->since < *(const time_t *)ctx;
}

static void changes(void)
{
	static const char *const paths[] = {"c", "a", "e", "b", "d"};
	struct schedule schedule = {NULL}, again;
	AUTO_FREE char *sorted = NULL, *taken = NULL, *young = NULL, *printed = NULL, *read = NULL;
	time_t limit = NOON + 3;

	ok(!schedule_find(&schedule, "a") && !schedule_take(&schedule, "a"),
	   "an empty one has nothing");
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		schedule_add(&schedule, paths[i], NOON + (time_t)i, i == 2);
	schedule_sort(&schedule);
	sorted = describe(&schedule);
	is_string(sorted, "a +1, b +3, c +0, d +4, e +2 removing", "sorted by path");
	ok(schedule_find(&schedule, "e")->removing && !schedule_find(&schedule, "f") &&
		   !schedule_find(&schedule, ""),
	   "each is found, and nothing else");
	ok(schedule_take(&schedule, "c") && !schedule_take(&schedule, "c"), "taken once");
	taken = describe(&schedule);
	is_string(taken, "a +1, b +3, d +4, e +2 removing", "... the others stay");
	printed = schedule_print(&schedule, NULL);
	ok(schedule_parse(&again, printed, strlen(printed)), "what is written is read");
	read = describe(&again);
	is_string(read, taken, "... and the same");
	schedule_free(&again);
	schedule_drop(&schedule, is_old, &limit);
	young = describe(&schedule);
	is_string(young, "b +3, d +4", "what is stale is dropped");
	schedule_free(&schedule);
}

int main(void)
{
	reading();
	no_schedules();
	unclean("");
	unclean("/x");
	unclean("x/");
	unclean("x//y");
	unclean("./x");
	unclean("x/../y");
	unclean("..");
	times();
	changes();
	return done_testing();
}

/* The plan of a commit into a directory: its text, and that it is taken whole or not at all. */
#include <stdlib.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "repo/directory_plan.h"
#include "tap.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define GOOD "rename 0 h/a:1\n"

static void prints(enum plan_verb verb, const char *name, const char *path, const char *want)
{
	AUTO_PLAN plan = {NULL}, again = {NULL};
	AUTO_FREE char *text = NULL;

	plan_add(&plan, verb, name, path);
	text = plan_print(&plan, NULL);
	is_string(text, want, "a step becomes its line");
	ok(text && !plan_parse(&again, text, strlen(text), NULL) && again.n == 1 &&
		   again.steps[0].verb == verb && !strcmp(again.steps[0].name, name) &&
		   !strcmp(again.steps[0].path, path),
	   "... and the line the step again");
}

static void unfit(enum plan_verb verb, const char *name, const char *path)
{
	AUTO_PLAN plan = {NULL};
	AUTO_FREE char *text = NULL;
	ducc_error *err = NULL;

	plan_add(&plan, PLAN_RENAME, "0", "x");
	plan_add(&plan, verb, name, path);
	text = plan_print(&plan, &err);
	ok(!text, "not written: %s %.70s", name, path);
	says(&err, path, "... and named");
}

static void refused_bytes(const char *text, size_t len, const char *why)
{
	AUTO_PLAN plan = {NULL};
	AUTO_FREE char *title = ducc_printable(text);
	ducc_error *err = NULL;

	ok(plan_parse(&plan, text, len, &err) < 0 && !plan.n, "not a plan: %.70s", title);
	says(&err, why, "... from where on it is none");
}

static void refused(const char *text, const char *why)
{
	refused_bytes(text, strlen(text), why);
}

static void writing(void)
{
	prints(PLAN_RENAME, "0", "h/a:1", "rename 0 h/a:1\n");
	prints(PLAN_REMOVE, "18446744073709551615", ".flat/ab/abc",
	       "remove 18446744073709551615 .flat/ab/abc\n");
	prints(PLAN_COMPLETE, "7", HEX, "complete 7 " HEX "\n");
	prints(PLAN_CHMOD, "0555", "d", "chmod 0555 d\n");
	prints(PLAN_RENAME, "1", "a b\nc\\d\xff", "rename 1 a\\040b\\012c\\134d\\377\n");
	prints(PLAN_RENAME, "1", ".transactions/x", "rename 1 .transactions/x\n");
	prints(PLAN_RENAME, "1", "x/.transaction", "rename 1 x/.transaction\n");
	unfit(PLAN_RENAME, "0", "../x");
	unfit(PLAN_RENAME, "0", "/x");
	unfit(PLAN_REMOVE, "0", "a//b");
	unfit(PLAN_REMOVE, "0", ".transaction");
	unfit(PLAN_REMOVE, "0", ".transaction/plan");
	unfit(PLAN_COMPLETE, "0", "x");
	unfit(PLAN_COMPLETE, "0", HEX "0");
	unfit(PLAN_RENAME, "", "x");
	unfit(PLAN_RENAME, "../1", "x");
	unfit(PLAN_RENAME, "1 2", "x");
	unfit(PLAN_RENAME, "-1", "x");
	unfit(PLAN_RENAME, "11111111111111111111111111111111111111111", "x");
}

static void reading(void)
{
	AUTO_PLAN plan = {NULL};

	ok(!plan_parse(&plan, "", 0, NULL) && !plan.n, "an empty plan has no steps");
	refused("\n", "after 0 steps");
	refused("rename 0 h/a:1", "after 1 step:");
	refused(GOOD "rename 0", "after 1 step:");
	refused(GOOD "rename 0 ", "after ");
	refused(GOOD "rename  0 x\n", "after ");
	refused(GOOD "rename 0 x y\n", "after 1 step:");
	refused(GOOD " rename 0 x\n", "after 1 step:");
	refused(GOOD "Rename 0 x\n", "after 1 step:");
	refused(GOOD "link 0 x\n", "after 1 step:");
	refused(GOOD "\n" GOOD, "after 1 step:");
	refused(GOOD "rename 0 x\r\n", "after 1 step:");
	refused(GOOD "rename 0 ../x\n", "after ");
	refused(GOOD "rename 0 .transaction/x\n", "after ");
	refused(GOOD "rename 0 .transaction\\057x\n", "after ");
	refused(GOOD "rename 0 \\170\n", "after 1 step:"); /* an x needs no escape */
	refused(GOOD "rename 0 \\000\n", "after 1 step:");
	refused(GOOD "rename 0 \\4\n", "after 1 step:");
	refused(GOOD "rename 0 a\tb\n", "after 1 step:");
	refused(GOOD "complete 0 " HEX "0\n", "after ");
	refused_bytes("rename 0 h/a:1\0\n", 16, "after ");
	refused_bytes(GOOD "\0", sizeof(GOOD), "after 1 step:");
}

/* Each beginning of it is none: but for those that end with a line. */
static void truncated(void)
{
	static const char whole[] = GOOD "complete 1 " HEX "\nremove 2 a\\040b\n";
	size_t good = 0;

	for (size_t len = 0; len < sizeof(whole); len++) {
		AUTO_PLAN plan = {NULL};
		bool read = !plan_parse(&plan, whole, len, NULL);

		good += read;
		if (read && len && whole[len - 1] != '\n')
			ok(false, "cut after %zu bytes it is a plan", len);
	}
	ok(good == 4, "plans cut off end with a line");
}

static void large(void)
{
	AUTO_PLAN plan = {NULL}, again = {NULL};
	AUTO_FREE char *text = NULL;

	for (int i = 0; i < 100000; i++) {
		AUTO_FREE char *name = format("%d", i), *path = format("h/a:%d", i);

		plan_add(&plan, PLAN_RENAME, name, path);
	}
	text = plan_print(&plan, NULL);
	ok(text && !plan_parse(&again, text, strlen(text), NULL) && again.n == 100000,
	   "a hundred thousand steps");
	is_string(again.steps[99999].path, "h/a:99999", "... in their order");
	plan_drop(&again);
	ok(again.n == 99999, "the last can be dropped");
}

int main(void)
{
	writing();
	reading();
	truncated();
	large();
	return done_testing();
}

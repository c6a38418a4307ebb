/*
 * Plans: a text is just what is written for its steps, or none; and whatever paths there
 * are, the steps that are read are those that were written.
 */
#include "base/path.h"
#include "fuzz.h"
#include "repo/directory_plan.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const char *const seeds[] = {
	"rename 0 .layers/01/" HEX "\ncomplete 1 " HEX "\nremove 2 localhost/app:v1\n",
	"rename 0 localhost/a\\040b\n",
	"remove 12 .metadata/localhost/app:v1\nrename 3 .flat/01/" HEX "\n",
};

static const char *const words[] = {
	"\n",
	" ",
	"\\012",
	"\\040",
	"\\000",
	"\\134",
	"\\1",
	"..",
	"/",
	"//",
	"./",
	".transaction",
	".transaction/x",
	"remove 9 localhost/victim:1\n",
	"rename ",
	"chmod 0555 ",
	"complete ",
	"-1",
	"00",
	"\xff",
	"\t",
	"99999999999999999999999",
};

static void try_text(const char *text, size_t len)
{
	AUTO_PLAN plan = {NULL};
	AUTO_FREE char *again = NULL;
	ducc_error *err = NULL;
	int result = plan_parse(&plan, text, len, &err);

	FUZZ_CHECK((result < 0) == (err != NULL));
	fuzz_message(&err);
	if (result < 0) {
		FUZZ_CHECK(!plan.n);
		return;
	}
	again = plan_print(&plan, NULL);
	FUZZ_CHECK(again && strlen(again) == len && !memcmp(again, text, len));
	for (size_t i = 0; i < plan.n; i++)
		FUZZ_CHECK(path_is_clean(plan.steps[i].path) &&
			   strncmp(plan.steps[i].path, ".transaction/", 13) != 0 &&
			   strcmp(plan.steps[i].path, ".transaction") != 0);
}

/* Each piece between two bars is the path of a step. */
static void try_paths(char *text)
{
	AUTO_PLAN plan = {NULL}, read = {NULL};
	AUTO_FREE char *printed = NULL;
	ducc_error *err = NULL;
	size_t lines = 0;

	for (char *next = text; next;) {
		enum plan_verb verb = (enum plan_verb)(plan.n % 4);
		AUTO_FREE char *name = format(verb == PLAN_CHMOD ? "%04zo" : "%zu", plan.n & 07777);

		plan_add(&plan, verb, name, strsep(&next, "|"));
	}
	printed = plan_print(&plan, &err);
	FUZZ_CHECK(!printed == (err != NULL));
	fuzz_message(&err);
	if (!printed)
		return;
	for (const char *p = printed; *p; p++)
		lines += *p == '\n';
	FUZZ_CHECK(lines == plan.n);
	FUZZ_CHECK(!plan_parse(&read, printed, strlen(printed), NULL) && read.n == plan.n);
	for (size_t i = 0; i < plan.n; i++)
		FUZZ_CHECK(read.steps[i].verb == plan.steps[i].verb &&
			   !strcmp(read.steps[i].name, plan.steps[i].name) &&
			   !strcmp(read.steps[i].path, plan.steps[i].path));
}

static void fuzz_one(const uint8_t *data, size_t len)
{
	AUTO_FREE char *text = fuzz_string(data, len);

	try_text((const char *)data, len);
	try_paths(text);
}

FUZZ_MAIN(seeds, words, 100000)

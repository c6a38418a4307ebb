/*
 * Records: what enters one is one line, with the reference that it had, and means the same
 * when it is read again; whatever stands in a line, in a field or in an image's config.
 */
#include "base/text.h"
#include "format/image.h"
#include "format/record.h"
#include "fuzz.h"

#define REFERENCE "https://example.org/app:1"

static const char *const seeds[] = {
	"alpine:3.19\tplatform=linux/amd64\trepo=./repo\tthin=example.org/thin:1",
	"https://h.org/p:t@sha256:0123\tevent=delete\tx=",
	"linux\namd64\nv8",
	"{\"architecture\":\"arm64\",\"os\":\"linux\",\"variant\":\"v8\",\"rootfs\":{\"diff_ids\":["
	"]}}",
};

static const char *const words[] = {
	"\n",
	"\t",
	"=",
	"\r",
	"\x1b[2J",
	"\xc2\x9b",
	"\x7f",
	"\xff",
	"..",
	"/",
	"../../x",
	" ",
	"platform=",
	"\trepo=elsewhere",
	"\nhttps://h.org/other:1",
	"\\n",
	"\\u0000",
	"\\u000a",
	"\\t",
	"\"",
	"@sha256:",
	"://",
	"u:p@",
};

static size_t count(const char *text, char c)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == c;
	return n;
}

/* It is one line, and the same record again, but for what may be a password. */
static void is_sound(const ducc_record *record, const char *reference)
{
	AUTO_FREE char *line = ducc_record_format(record), *again = NULL;
	AUTO_FREE char *shown = text_hide_users(reference);
	ducc_record *reread = ducc_record_parse(line, NULL);

	FUZZ_CHECK(reread);
	again = ducc_record_format(reread);
	FUZZ_CHECK(!strcmp(line, again));
	FUZZ_CHECK(!strcmp(ducc_record_reference(reread), shown));
	for (const char *p = line; *p; p++)
		FUZZ_CHECK((unsigned char)*p >= ' ' || *p == '\t');
	ducc_record_free(reread);
}

static void try_line(const char *text)
{
	ducc_error *err = NULL;
	ducc_record *record = ducc_record_parse(text, &err);

	FUZZ_CHECK(!record == (err != NULL));
	fuzz_message(&err);
	if (!record)
		return;
	is_sound(record, ducc_record_reference(record));
	ducc_record_free(record);
}

/* The text as a value, and as a key. */
static void try_field(const char *text)
{
	AUTO_REFERENCE reference = {NULL};
	ducc_error *err = NULL;
	ducc_record *record;

	FUZZ_CHECK(!reference_parse(&reference, REFERENCE, NULL));
	record = record_new(&reference);
	FUZZ_CHECK(!ducc_record_set(record, "platform", "linux/amd64", &err));
	if (!ducc_record_set(record, "value", text, &err))
		FUZZ_CHECK(!strcmp(ducc_record_get(record, "value"), text));
	fuzz_message(&err);
	is_sound(record, REFERENCE);
	if (!ducc_record_set(record, text, "value", &err))
		FUZZ_CHECK(!strcmp(ducc_record_get(record, text), "value"));
	fuzz_message(&err);
	is_sound(record, REFERENCE);
	ducc_record_free(record);
}

/* As ducc-fetch does: what a config says of its platform goes into the record. */
static void pin(const char *config_json, size_t len)
{
	AUTO_CONFIG config = {.n = 0};
	AUTO_REFERENCE reference = {NULL};
	AUTO_FREE char *platform = NULL, *line = NULL;
	ducc_error *err = NULL;
	ducc_record *record;
	int result = config_parse(&config, config_json, len, &err);

	fuzz_message(&err);
	if (result < 0)
		return;
	FUZZ_CHECK(!reference_parse(&reference, REFERENCE, NULL));
	record = record_new(&reference);
	platform = platform_format(&config.platform);
	FUZZ_CHECK(!ducc_record_set(record, "platform", platform, &err));
	is_sound(record, REFERENCE);
	line = ducc_record_format(record);
	FUZZ_CHECK(count(line, '\t') == 1);
	ducc_record_free(record);
}

/* Up to three lines of text are os, architecture and variant. */
static void try_platform(char *text)
{
	static const char *const keys[] = {"os", "architecture", "variant"};
	AUTO_JSON *json = cJSON_Parse("{\"rootfs\":{\"diff_ids\":[]}}");
	AUTO_FREE char *printed = NULL;
	char *next = text;

	for (size_t i = 0; next && i < ARRAY_LEN(keys); i++)
		json_set_string(json, keys[i],
				i + 1 < ARRAY_LEN(keys) ? strsep(&next, "\n") : next);
	printed = json_print(json, false);
	pin(printed, strlen(printed));
}

static void fuzz_one(const uint8_t *data, size_t len)
{
	AUTO_FREE char *text = fuzz_string(data, len);

	try_line(text);
	try_field(text);
	pin((const char *)data, len);
	try_platform(text);
}

FUZZ_MAIN(seeds, words, 15000)

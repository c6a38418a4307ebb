/*
 * TOML: whatever is understood means the same when it is written again, has each key once in
 * its table, and no control character that was not escaped; what is not, is an error in a line
 * that there is.
 */
#include "base/strset.h"
#include "format/toml.h"
#include "fuzz.h"

static const char *const seeds[] = {
	"unqualified-search-registries = [\"a\", # one\n\t'b',\n]\n[aliases]\n\"x\" = 'y'\n",
	"[[registry]]\nprefix = \"h.org\"\nblocked = false\r\n[[registry.mirror]]\nlocation = 'a'",
	"[a . \"b.c\"]\nd.e = \"\\\"\\\\\\t\\n\\r\\b\\f\" # f",
};

static const char *const words[] = {
	"\n",         "\r\n", "\r",   "[",     "]",      "[[",  "]]",   "\"",    "'",
	"\\",         "\\\"", "\\n",  "\\u",   "=",      " = ", "true", "false", ".",
	"#",          ",",    "\"\"", "''",    "[]",     "\t",  "\x7f", "\xff",  "\x1b[2J",
	"a = true\n", "x=''", "7",    "{a=1}", "\"\"\"", " ",
};

/* What was read, written again. */
struct copy {
	struct buffer text;
	struct strset keys; /* of the table */
};

static void copy_free(struct copy *copy)
{
	buffer_free(&copy->text);
	strset_free(&copy->keys);
}

#define AUTO_COPY CLEANUP(copy_free) struct copy

static void add_quoted(struct buffer *out, const char *text)
{
	static const char from[] = "\"\\\t\n\r\b\f", to[] = "\"\\tnrbf";

	buffer_addc(out, '"');
	for (; *text; text++) {
		const char *found = strchr(from, *text);

		FUZZ_CHECK(found || ((unsigned char)*text >= ' ' && *text != 0x7f));
		if (found)
			buffer_addf(out, "\\%c", to[found - from]);
		else
			buffer_addc(out, *text);
	}
	buffer_addc(out, '"');
}

static int on_table(void *ctx, const char *name, bool is_array, ducc_error **err)
{
	struct copy *copy = ctx;

	(void)err;
	strset_cut(&copy->keys, 0);
	buffer_adds(&copy->text, is_array ? "[[" : "[");
	add_quoted(&copy->text, name);
	buffer_adds(&copy->text, is_array ? "]]\n" : "]\n");
	return 0;
}

static int on_key(void *ctx, const char *name, const char *text, const bool *boolean,
		  ducc_error **err)
{
	struct copy *copy = ctx;

	(void)err;
	FUZZ_CHECK(strset_add(&copy->keys, name));
	add_quoted(&copy->text, name);
	buffer_addc(&copy->text, '=');
	if (text)
		add_quoted(&copy->text, text);
	else
		buffer_adds(&copy->text, !boolean ? "[]" : *boolean ? "true" : "false");
	buffer_addc(&copy->text, '\n');
	return 0;
}

static int read_copy(struct copy *copy, const char *data, size_t len, ducc_error **err)
{
	struct toml_reader reader = {.table = on_table, .key = on_key, .ctx = copy};

	buffer_adds(&copy->text, "");
	return toml_read(data, len, &reader, err);
}

static void check_error(const char *data, size_t len, ducc_error *err)
{
	unsigned long lines = 1, line;
	const char *message = ducc_error_message(err);
	char *end;

	for (size_t i = 0; i < len; i++)
		lines += data[i] == '\n';
	FUZZ_CHECK(!strncmp(message, "line ", 5));
	line = strtoul(message + 5, &end, 10);
	FUZZ_CHECK(*end == ':' && line >= 1 && line <= lines);
}

static void fuzz_one(const uint8_t *data, size_t len)
{
	AUTO_COPY once = {.text = {0}}, twice = {.text = {0}};
	AUTO_FREE char *text = xmemdup(data, len);
	ducc_error *err = NULL;
	int result = read_copy(&once, text, len, &err);

	FUZZ_CHECK((result < 0) == (err != NULL));
	if (err)
		check_error(text, len, err);
	fuzz_message(&err);
	/* Also what came before an error. */
	FUZZ_CHECK(!read_copy(&twice, once.text.data, once.text.len, NULL));
	FUZZ_CHECK(!strcmp(once.text.data, twice.text.data));
}

FUZZ_MAIN(seeds, words, 50000)

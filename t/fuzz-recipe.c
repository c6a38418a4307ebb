/*
 * Recipes: what comes out of one is text that fits into a record, from a line that there is;
 * and a text that is written as YAML wants it comes out as it went in, or not at all.
 */
#include "base/text.h"
#include "format/recipe.h"
#include "fuzz.h"

static const char *const seeds[] = {
	"version: 1\nuser: me\ncvmfs_repo: './r'\noutput_format: $(image)\ninput:\n- a\n- "
	"\"b:1\"\n",
	"%YAML 1.1\n---\n{version: 1, input: [&a x, *a, ~, [y]], comment: >-\n  two\n  "
	"words}\n...\n",
	"~",
};

static const char *const words[] = {
	"\n",       "\n- ",
	": ",       "version: 1\n",
	"input:",   "input: []\n",
	"user: ",   "---\n",
	"...\n",    "\t",
	"  ",       "[",
	"]",        "{",
	"}",        "&a ",
	"*a",       "~",
	"\"",       "'",
	"\\0",      "\\n",
	"\\x9b",    "\\u202e",
	"!!str",    "<<: ",
	"? ",       "|",
	">-\n",     "#",
	"%",        "\xff\xfe",
	"\xc2\x85", "\xe2\x80\xa8",
	"\xff",     "\r",
	"\x1b[2J",
};

static void check_text(const struct recipe_text *text, size_t lines)
{
	FUZZ_CHECK(!text->text || text_is_plain(text->text));
	FUZZ_CHECK(text->line <= lines && (text->line || !text->text));
}

static void try_bytes(const char *data, size_t len)
{
	AUTO_RECIPE recipe;
	ducc_error *err = NULL;
	size_t lines = len + 1;
	int result = recipe_parse(&recipe, data, len, &err);

	FUZZ_CHECK((result < 0) == (err != NULL));
	fuzz_message(&err);
	check_text(&recipe.user, lines);
	check_text(&recipe.repository, lines);
	check_text(&recipe.output_format, lines);
	for (size_t i = 0; i < recipe.images.n; i++)
		check_text(&recipe.images.items[i], lines);
	for (size_t i = 0; i < recipe.unknown.n; i++) {
		check_text(&recipe.unknown.items[i], lines);
		FUZZ_CHECK(recipe.unknown.items[i].text);
	}
	if (result < 0)
		FUZZ_CHECK(!recipe.images.n && !recipe.user.text);
}

/* Appends each byte as the character of that number, in double quotes, and to `want` in UTF-8. */
static void add_quoted(struct buffer *yaml, struct buffer *want, const uint8_t *data, size_t len)
{
	buffer_addc(yaml, '"');
	buffer_adds(want, "");
	for (size_t i = 0; i < len; i++) {
		buffer_addf(yaml, "\\x%02x", data[i]);
		if (data[i] >= 0x80)
			buffer_addc(want, (char)(0xc0 | data[i] >> 6));
		buffer_addc(want, (char)(data[i] >= 0x80 ? 0x80 | (data[i] & 0x3f) : data[i]));
	}
	buffer_addc(yaml, '"');
}

static bool is_plain(const struct buffer *want)
{
	return strlen(want->data) == want->len && text_is_plain(want->data);
}

/* It is what went in, or there is none if that was not fit. */
static bool is_fit(const char *text, const struct buffer *want)
{
	return is_plain(want) ? text && !strcmp(text, want->data) : !text;
}

/* What may be meant as an exclusion must not be lost. */
static void try_image(const uint8_t *data, size_t len)
{
	AUTO_RECIPE recipe;
	AUTO_BUFFER yaml = {0}, want = {0};
	bool refused;

	buffer_adds(&yaml, "version: 1\ninput:\n- ");
	add_quoted(&yaml, &want, data, len);
	refused = !is_plain(&want) && memchr(want.data, '!', want.len);
	FUZZ_CHECK((recipe_parse(&recipe, yaml.data, yaml.len, NULL) < 0) == refused);
	if (refused)
		return;
	FUZZ_CHECK(recipe.images.n == 1 && recipe.images.items[0].line == 3);
	FUZZ_CHECK(is_fit(recipe.images.items[0].text, &want));
}

static void try_user(const uint8_t *data, size_t len)
{
	AUTO_RECIPE recipe;
	AUTO_BUFFER yaml = {0}, want = {0};

	buffer_adds(&yaml, "version: 1\ninput: []\nuser: ");
	add_quoted(&yaml, &want, data, len);
	recipe_parse(&recipe, yaml.data, yaml.len, NULL); /* fails as a whole */
	FUZZ_CHECK(is_fit(recipe.user.text, &want));
}

static void fuzz_one(const uint8_t *data, size_t len)
{
	AUTO_FREE char *text = xmemdup(data, len);

	try_bytes(text, len);
	try_image(data, len);
	try_user(data, len);
}

FUZZ_MAIN(seeds, words, 5000)

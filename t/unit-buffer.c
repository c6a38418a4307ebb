/* Buffers: formatting around the length that is tried first, escapes, and room to fill. */
#include "base/buffer.h"
#include "base/mem.h"
#include "base/text.h"
#include "tap.h"

/* True if n letters after `before` others are formatted right. */
static bool formats(size_t before, size_t n)
{
	AUTO_BUFFER buffer = {0};
	AUTO_FREE char *text = xcalloc(before + n + 1, 1);

	memset(text, 'a', before);
	memset(text + before, 'b', n);
	for (size_t i = 0; i < before; i++)
		buffer_addc(&buffer, 'a');
	buffer_addf(&buffer, "%s", text + before);
	return buffer.len == before + n && !strcmp(buffer.data, text);
}

static void test_formats(void)
{
	static const size_t before[] = {0, 1, 127, 128, 129, 1000};
	size_t bad = 0;

	for (size_t i = 0; i < ARRAY_LEN(before); i++)
		for (size_t n = 0; n < 600; n++)
			bad += !formats(before[i], n);
	ok(!bad, "text of each length is formatted");
}

static void test_extend(void)
{
	AUTO_BUFFER buffer = {0};

	is_string(buffer_extend(&buffer, 0), "", "a buffer made longer by nothing is a string");
	buffer_adds(&buffer, "one ");
	memcpy(buffer_extend(&buffer, 3), "two", 3);
	is_string(buffer.data, "one two", "what is filled in follows what was there");
	buffer_addf(&buffer, " %d", 3);
	is_string(buffer.data, "one two 3", "... and is followed by what comes next");
}

static void test_escapes(void)
{
	AUTO_BUFFER buffer = {0};

	text_add_escaped(&buffer, "", "#");
	text_add_escaped(&buffer, "a b\\#\n", "#");
	text_add_escaped(&buffer, "\303\244c", "");
	is_string(buffer.data, "a\\040b\\134\\043\\012\\303\\244c",
		  "special characters are escaped");
	ok(buffer.len ==
		   text_escaped_size("a b\\#\n", 6, "#") + text_escaped_size("\303\244c", 3, ""),
	   "... and their size is known");
	ok(text_undo_escapes(buffer.data, "#"), "escapes are undone");
	is_string(buffer.data, "a b\\#\n\303\244c", "... to what there was");
}

int main(void)
{
	test_formats();
	test_extend();
	test_escapes();
	return done_testing();
}

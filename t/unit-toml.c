/* The subset of TOML 1.0 that registries.conf needs: what it means, and what is refused where. */
#include <stdlib.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "format/toml.h"
#include "tap.h"

static int on_table(void *ctx, const char *name, bool is_array, ducc_error **err)
{
	if (!strcmp(name, "refused"))
		return error_set(err, "no %s", name);
	buffer_addf(ctx, is_array ? "[[%s]] " : "[%s] ", name);
	return 0;
}

static int on_key(void *ctx, const char *name, const char *text, const bool *boolean,
		  ducc_error **err)
{
	if (!strcmp(name, "refused"))
		return error_set(err, "no %s", name);
	if (text)
		buffer_addf(ctx, "%s=<%s> ", name, text);
	else if (boolean)
		buffer_addf(ctx, "%s=%s ", name, *boolean ? "true" : "false");
	else
		buffer_addf(ctx, "%s=[] ", name);
	return 0;
}

static int read_bytes(const char *data, size_t len, struct buffer *out, ducc_error **err)
{
	struct toml_reader reader = {.table = on_table, .key = on_key, .ctx = out};
	AUTO_FREE char *copy = xmemdup(data, len); /* so that nothing beyond its end is read */

	buffer_adds(out, "");
	return toml_read(copy, len, &reader, err);
}

static void means(const char *text, const char *want)
{
	AUTO_BUFFER got = {0};
	AUTO_FREE char *title = ducc_printable(text);
	ducc_error *err = NULL;

	if (read_bytes(text, strlen(text), &got, &err) < 0) {
		ok(false, "%s: %s", title, ducc_error_message(err));
		ducc_error_free(err);
		return;
	}
	is_string(got.data, want, title);
}

static void refused_bytes(const char *data, size_t len, unsigned line)
{
	AUTO_BUFFER got = {0};
	AUTO_FREE char *text = xstrndup(data, len), *title = ducc_printable(text);
	AUTO_FREE char *want = format("line %u: ", line);
	ducc_error *err = NULL;

	ok(read_bytes(data, len, &got, &err) < 0, "refused: %.60s", title);
	ok(err && !strncmp(ducc_error_message(err), want, strlen(want)), "... in line %u", line);
	if (err)
		printf("# %s\n", ducc_error_message(err));
	ducc_error_free(err);
}

static void refused(const char *text, unsigned line)
{
	refused_bytes(text, strlen(text), line);
}

static void tables(void)
{
	means("", "");
	means("\n\r\n \t# a comment\n#", "");
	means("[a]", "[a] ");
	means("[[a]]\n[[a]]\n", "[[a]] [[a]] ");
	means(" [ a . b ] # c", "[a.b] ");
	means("[[a.\"b\"]]", "[[a.b]] ");
	means("[A-z_09]", "[A-z_09] ");
	means("['a b'.\"c\\\"d\"]\r\n", "[a b.c\"d] ");
	refused("[a", 1);
	refused("[a]]", 1);
	refused("[[a]", 1);
	refused("[[a] ]", 1);
	refused("[ [a]]", 1);
	refused("[]", 1);
	refused("[a.]", 1);
	refused("[.a]", 1);
	refused("[a..b]", 1);
	refused("[a b]", 1);
	refused("[a]b", 1);
	refused("[a] [b]", 1);
	refused("[a\n]", 1);
	refused("[\xc3\xa4]", 1);
	refused("\n\n[refused]", 3);
}

static void keys(void)
{
	means("a=true", "a=true ");
	means("a = false#no", "a=false ");
	means("a = \"b\"\r\nc = 'd'\n", "a=<b> c=<d> ");
	means("a . \"b.c\" = \"\"", "a.b.c=<> ");
	means("\"\" = 'x'", "=<x> ");
	means("true = false\n1 = true", "true=false 1=true ");
	refused("a", 1);
	refused("a =", 1);
	refused("= 'x'", 1);
	refused("a b = 'x'", 1);
	refused("a = 'x' 'y'", 1);
	refused("a = 'x', b = 'y'", 1);
	refused("a = trueish", 1);
	refused("a = True", 1);
	refused("a = tru", 1);
	refused("a =\n'x'", 1);
	refused("a = b", 1);
	refused("\xef\xbc\xa1 = 'x'", 1);
	refused("# one\nx = 'y'\n\n\nrefused = true\n", 5);
	refused("a = 'x'\rb = 'y'", 1);
	/* Types that registries.conf does not have. */
	refused("a = 7", 1);
	refused("a = 1979-05-27", 1);
	refused("a = {b = 'c'}", 1);
	refused("a = \"\"\"b\"\"\"", 1);
	refused("a = '''\nb'''", 1);
}

/* "Defining a key multiple times is invalid": readers differ in which of them they take. */
static void duplicates(void)
{
	refused("a = 'x'\nb = 'y'\n'a' = 'z'", 3);
	refused("[t]\na = true\na = true", 3);
	refused("a = []\na = 'x'", 2);
	means("a = 'x'\n[t]\na = 'y'\n[[u]]\na = true\n[[u]]\na = true",
	      "a=<x> [t] a=<y> [[u]] a=true [[u]] a=true ");
}

static void strings(void)
{
	means("a = \"\\\"\\\\\\t\\n\\r\\b\\f\"", "a=<\"\\\t\n\r\b\f> ");
	means("a = '\\n\"'", "a=<\\n\"> ");
	means("a = \"'\tx # y\"", "a=<'\tx # y> ");
	means("a = \"\xc3\xa4\"", "a=<\xc3\xa4> ");
	means("a = '\xff\xc3' # \xfe", "a=<\xff\xc3> "); /* strings are bytes here */
	refused("a = \"b", 1);
	refused("a = \"b\nc\"", 1);
	refused("a = 'b\"", 1);
	refused("a = \"b\\", 1);
	refused("a = \"b\\\"", 1);
	refused("a = \"\\q\"", 1);
	refused("a = \"\\u00e4\"", 1);
	refused("a = \"\x7f\"", 1);
	refused("a = '\x1b[2J'", 1);
	refused("a = 'b\r\n'", 1);
}

static void arrays(void)
{
	means("a = []\nb = true", "a=[] b=true ");
	means("a = [ \"x\" , 'y' ]\n", "a=[] ");
	means("a = [ # one\n\t'x', # ]\r\n\n\t\"]\",\n] # two\nb = true", "a=[] b=true ");
	refused("a = [", 1);
	refused("a = ['x'", 1);
	refused("a = [,]", 1);
	refused("a = ['x',,]", 1);
	refused("a = ['x' 'y']", 1);
	refused("a = [['x']]", 1);
	refused("a = [true]", 1);
	refused("a = [\n'x',\n7]", 3);
	refused("a = [\n'x']\n\nb", 4);
	refused("a = ['x'] b", 1);
}

#define BYTES(text) text, sizeof(text) - 1

/* TOML has no control characters but tabs, line ends, and what is escaped in strings. */
static void nul_bytes(void)
{
	refused_bytes(BYTES("\0"), 1);
	refused_bytes(BYTES("a = 'x'\n\0"), 2);
	refused_bytes(BYTES("a\0 = 'x'"), 1);
	refused_bytes(BYTES("a = '\0'"), 1);
	refused_bytes(BYTES("a = \"\\\0\""), 1);
	refused_bytes(BYTES("[a\0]"), 1);
	refused_bytes(BYTES("a = true\0"), 1);
	refused_bytes(BYTES("a = [\0]"), 1);
	refused_bytes(BYTES("\n# a\0b"), 2);
	refused_bytes(BYTES("# a\x1b[2J"), 1);
	refused_bytes(BYTES("# a\rb = 'x'"), 1);
}

/* Cut off anywhere, it is refused or means the beginning of what it meant. */
static void truncated(void)
{
	static const char whole[] =
		"[[r]] # c\nl = \"a\\tb\"\nf = true\nx = ['y', 'z']\r\n[[r.m]]\n";
	AUTO_BUFFER all = {0};
	size_t good = 0;

	if (read_bytes(whole, strlen(whole), &all, NULL) < 0)
		abort();
	for (size_t len = 0; len < sizeof(whole); len++) {
		AUTO_BUFFER got = {0};

		if (read_bytes(whole, len, &got, NULL) < 0)
			continue;
		good++;
		if (got.len > all.len || strncmp(all.data, got.data, got.len) != 0)
			ok(false, "cut after %zu bytes: %s", len, got.data);
	}
	ok(good > 10, "%zu of its beginnings are complete", good);
}

static void large(void)
{
	AUTO_BUFFER text = {0}, got = {0};
	ducc_error *err = NULL;

	for (int i = 0; i < 100000; i++)
		buffer_addf(&text, "k%d = 'x'\n", i);
	ok(!read_bytes(text.data, text.len, &got, NULL), "a hundred thousand keys");
	buffer_adds(&text, "k = \"");
	ok(read_bytes(text.data, text.len, &got, &err) < 0, "... and an error after them");
	says(&err, "line 100001: ", "... in the line where it is");
	buffer_reset(&text);
	buffer_adds(&text, "k = ");
	for (int i = 0; i < 1000000; i++)
		buffer_addc(&text, '[');
	ok(read_bytes(text.data, text.len, &got, &err) < 0, "a tower of brackets is refused");
	says(&err, "line 1: ", "... in its line");
}

int main(void)
{
	tables();
	keys();
	duplicates();
	strings();
	arrays();
	nul_bytes();
	truncated();
	large();
	return done_testing();
}

/* Recipes, as ducc-recipe(5) describes them: one document in YAML 1.1. */
#include <stdlib.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "format/recipe.h"
#include "tap.h"

#define V "version: 1\n"
#define I "input: []\n"

static void add_texts(struct buffer *out, const char *label, const struct recipe_texts *texts)
{
	for (size_t i = 0; i < texts->n; i++)
		buffer_addf(out, " %s %u:%s", label, texts->items[i].line,
			    texts->items[i].text ? texts->items[i].text : "?");
}

/* All that a recipe says, with lines. */
static char *describe(const struct recipe *recipe)
{
	const struct recipe_text *texts[] = {&recipe->user, &recipe->repository,
					     &recipe->output_format};
	static const char *const labels[] = {"user", "repo", "format"};
	struct buffer out = {0};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (texts[i]->text)
			buffer_addf(&out, " %s %u:%s", labels[i], texts[i]->line, texts[i]->text);
	add_texts(&out, "image", &recipe->images);
	add_texts(&out, "unknown", &recipe->unknown);
	return buffer_steal(&out);
}

static int parse(struct recipe *recipe, const char *data, size_t len, ducc_error **err)
{
	AUTO_FREE char *copy = xmemdup(data, len); /* so that nothing beyond its end is read */

	return recipe_parse(recipe, copy, len, err);
}

static void means_bytes(const char *data, size_t len, const char *title, const char *want)
{
	AUTO_RECIPE recipe;
	AUTO_FREE char *got = NULL;
	ducc_error *err = NULL;

	if (parse(&recipe, data, len, &err) < 0) {
		ok(false, "%s: %s", title, ducc_error_message(err));
		ducc_error_free(err);
		return;
	}
	got = describe(&recipe);
	is_string(got, want, title);
}

static void means(const char *text, const char *want)
{
	AUTO_FREE char *title = ducc_printable(text);

	means_bytes(text, strlen(text), title, want);
}

static void refused_bytes(const char *data, size_t len, const char *why)
{
	AUTO_RECIPE recipe;
	AUTO_FREE char *text = xstrndup(data, len), *title = ducc_printable(text);
	ducc_error *err = NULL;

	ok(parse(&recipe, data, len, &err) < 0, "refused: %.70s", title);
	ok(err && !strncmp(ducc_error_message(err), why, strlen(why)), "... %s", why);
	if (err)
		printf("# %s\n", ducc_error_message(err));
	ok(!recipe.images.n && !recipe.user.text, "... and nothing of it is used");
	ducc_error_free(err);
}

static void refused(const char *text, const char *why)
{
	refused_bytes(text, strlen(text), why);
}

static void documents(void)
{
	means(V I, "");
	means("input: [a, 'b:1', \"c\"]\n" V, " image 1:a image 1:b:1 image 1:c");
	means("# one\n\n" V "input:\n- a\n\n# two\n- b", " image 5:a image 8:b");
	means("%YAML 1.1\n---\n" V I "...\n", "");
	means("{\"version\": 1, \"input\": [a,\n b]}", " image 1:a image 2:b");
	means("version: '1'\n" I, "");
	means("version: !!int \"1\"\n" I, "");
	means("\xef\xbb\xbf" V I, "");
	means("version: 1\r\ninput:\r\n  - a\r\n", " image 3:a");
	refused("", "");
	refused("# nothing\n", "");
	refused("a", "line 1: ");
	refused("\n- a\n", "line 2: ");
	refused(V "---\n" V I, "line 2: ");
	refused(V I "---\n", "line 3: ");
	refused(V I "...\n---\n" V I, "line 4: ");
}

static void versions(void)
{
	refused(I, "version");
	refused("version: 2\n" I, "line 1: ");
	refused(I "version: 10\n", "line 2: ");
	refused("version: 1.0\n" I, "line 1: ");
	refused("version: 01\n" I, "line 1: ");
	refused("version:\n" I, "line 1: version");
	refused("version: [1]\n" I, "line 1: version");
	refused("version: {}\n" I, "line 1: version");
	refused("Version: 1\n" I, "version");
	refused(V "\n" V I, "line 3: version");
}

static void texts(void)
{
	means(V I "user: me\ncvmfs_repo: './r'\noutput_format: $(image)\n",
	      " user 3:me repo 4:./r format 5:$(image)");
	means(V I "user: ''\ncvmfs_repo: \"null\"\n", " user 3: repo 4:null");
	means(V I "user:\ncvmfs_repo: ~\noutput_format: null\n", "");
	refused(V I "user: >\n  two\n  words\n", "line 3: user"); /* it ends with a line end */
	means(V I "user: >-\n  two\n  words\n", " user 3:two words");
	means(V I "user: 7\ncvmfs_repo: true\n", " user 3:7 repo 4:true");
	means(V I "user: &u me\ncvmfs_repo: *u\n", " user 3:me repo 3:me");
	refused(V I "user: []\n", "line 3: user");
	refused(V I "cvmfs_repo: {a: b}\n", "line 3: cvmfs_repo");
	refused(V I "user: a\nuser: a\n", "line 4: user");
	refused(V I "user: ~\nuser: a\n", "line 4: user");
	refused(V I "output_format: a\n\n\"output_format\": b\n", "line 5: output_format");
	refused(V I I, "line 3: input");
}

/* An image that is not right fails by itself. */
static void images(void)
{
	means(V "input:\n- a\n-\n- ~\n- [b]\n- {c: d}\n- \"\"\n- e",
	      " image 3:a image 4:? image 5:? image 6:? image 7:? image 8: image 9:e");
	means(V "input: [\"a\\tthin=x\", \"b\\nc\", \"d\\0e\", \"\\e[2J\", \"\\u202e\"]",
	      " image 2:? image 2:? image 2:? image 2:? image 2:?");
	means(V "input: [\"\xc3\xa4\", 'docker.io/a:1.*']",
	      " image 2:\xc3\xa4 image 2:docker.io/a:1.*");
	means(V "input: [&a x, *a,\n *a]", " image 2:x image 2:x image 2:x");
	means(V "input: [a, a]", " image 2:a image 2:a");
	refused("version: 1\n", "input");
	refused(V "input:\n", "line 2: input");
	refused(V "input: a\n", "line 2: input");
	refused(V "input: {a: b}\n", "line 2: input");
}

static void other_keys(void)
{
	means(V I "comment: x\nmore:\n  version: 2\n", " unknown 3:comment unknown 4:more");
	means(V I "x: 1\nx: 2\nINPUT: [a]\n", " unknown 3:x unknown 4:x unknown 5:INPUT");
	means(V I "ignoreErrors: [a, 'b*']\n", " unknown 3:ignoreErrors");
	means(V I "\"a b\": c\n", " unknown 3:a b");
	means(V I "<<: {user: me}\n", " unknown 3:<<");
	refused(V I "\"a\\nb\": c\n", "line 3: ");
	refused(V I "\"user\\0\": c\n", "line 3: ");
	refused(V I "~: c\n", "line 3: ");
	refused(V I "? [user]\n: c\n", "line 3: ");
}

#define BYTES(text) text, sizeof(text) - 1

static void no_yaml(void)
{
	refused(V "input:\n\t- a\n", "line 3: ");
	refused(V "input: [a", "line ");
	refused(V I "user: 'a\n", "line ");
	refused(V I "user: *nobody\n", "line 3: ");
	refused(V I "user: @a\n", "line 3: ");
	refused(V I "  user: a\n", "line 3: ");
	refused("%YAML 2.0\n---\n" V I, "line 1: ");
	refused_bytes(BYTES(V I "user: \xff\n"), "byte ");
	refused_bytes(BYTES(V I "user: \xc3"), "byte ");
	refused_bytes(BYTES(V I "user: \xc0\xaf\n"), "byte ");
	refused_bytes(BYTES(V I "user: \xed\xa0\x80\n"), "byte ");
	refused_bytes(BYTES(V I "user: a\0b\n"), "byte ");
	refused_bytes(BYTES(V I "# \x1b\n"), "byte ");
	refused_bytes(BYTES("\0"), "byte ");
}

/* YAML may be UTF-16, if it says so. */
static void other_encodings(void)
{
	static const char text[] = V "input: [a]";
	AUTO_BUFFER wide = {0};

	buffer_add(&wide, "\xff\xfe", 2);
	for (const char *p = text; *p; p++)
		buffer_add(&wide, (const char[]){*p, '\0'}, 2);
	means_bytes(wide.data, wide.len, "UTF-16", " image 2:a");
	ok(wide.len % 2 == 0, "... of whole characters");
	refused_bytes(wide.data, wide.len - 1, "byte ");
}

/* "The document may have anchors and aliases, up to 1000 of them, and be nested 16 levels deep." */
static void depths(void)
{
	/* The document is the first level. */
	means(V I "x: [[[[[[[[[[[[[[[]]]]]]]]]]]]]]]\n", " unknown 3:x");
	refused(V I "x: [[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]\n", "line 3: ");
	refused(V I "x: {a: {a: {a: {a: {a: {a: {a: {a:\n {a: {a: {a: {a: {a: {a: {a: {a:",
		"line 4: ");
}

static void anchors(unsigned n, bool want)
{
	AUTO_BUFFER text = {0};
	AUTO_RECIPE recipe;
	AUTO_FREE char *line = format("line %u: ", n + 2);
	ducc_error *err = NULL;

	buffer_adds(&text, V "input:\n");
	for (unsigned i = 0; i < n; i++)
		buffer_addf(&text, "- &a%u x\n", i);
	ok((parse(&recipe, text.data, text.len, &err) == 0) == want, "%u anchors", n);
	if (want)
		ok(recipe.images.n == n, "... are as many images");
	else
		says(&err, line, "... are too many, which is said of the last");
}

static void large(void)
{
	AUTO_BUFFER text = {0};
	AUTO_RECIPE recipe;
	AUTO_FREE char *word = NULL;

	buffer_adds(&text, V "input:\n");
	for (int i = 0; i < 100000; i++)
		buffer_addf(&text, "- r.example/a%d\n", i);
	ok(!parse(&recipe, text.data, text.len, NULL) && recipe.images.n == 100000,
	   "a hundred thousand images");
	is_string(recipe.images.items[99999].text, "r.example/a99999", "... the last of them");
	ok(recipe.images.items[99999].line == 100002, "... and its line");
	recipe_free(&recipe);
	word = xmalloc(1 << 20);
	memset(word, 'x', 1 << 20);
	buffer_reset(&text);
	buffer_adds(&text, V I "user: ");
	buffer_add(&text, word, 1 << 20);
	ok(!parse(&recipe, text.data, text.len, NULL) && strlen(recipe.user.text) == 1 << 20,
	   "a text of a megabyte");
}

/* Cut off anywhere, it is refused, or what it says is the beginning of what it said. */
static void truncated(void)
{
	static const char whole[] = V "user: \"me\"\ninput: [ab,\n 'c', &d e, *d]\n";
	AUTO_RECIPE all;
	size_t good = 0;

	if (parse(&all, whole, strlen(whole), NULL) < 0)
		abort();
	for (size_t len = 0; len < sizeof(whole); len++) {
		AUTO_RECIPE recipe;
		ducc_error *err = NULL;

		if (!parse(&recipe, whole, len, &err))
			good++;
		else if (!err)
			ok(false, "cut after %zu bytes: no error", len);
		ducc_error_free(err);
	}
	ok(good == 2, "complete with its bracket only, and the line's end: %zu", good);
}

int main(void)
{
	documents();
	versions();
	texts();
	images();
	other_keys();
	no_yaml();
	other_encodings();
	depths();
	anchors(1000, true);
	anchors(1001, false);
	large();
	truncated();
	return done_testing();
}

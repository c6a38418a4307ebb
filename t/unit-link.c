/* Links to the next page, in all forms that RFC 8288 allows, and in some that it does not. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "net/link.h"
#include "tap.h"

static void is_next(const char *header, const char *want)
{
	AUTO_FREE char *got = NULL;

	if (link_next(header, &got) < 0)
		got = xstrdup("malformed");
	is_string(got, want, header);
}

static unsigned below(unsigned n)
{
	return (unsigned)random() % n;
}

static void add_blanks(struct buffer *text)
{
	for (unsigned n = below(3); n; n--)
		buffer_addc(text, below(2) ? ' ' : '\t');
}

static void add_in_any_case(struct buffer *text, const char *word)
{
	for (; *word; word++)
		buffer_addc(text,
			    (char)(below(2) && *word >= 'a' && *word <= 'z' ? *word - 32 : *word));
}

/* Adds `;name=value`, as a token where the grammar permits. */
static void add_parameter(struct buffer *text, const char *name, const char *value)
{
	const char *quote = strpbrk(value, " ;,<>=\\") || below(2) ? "\"" : "";

	add_blanks(text);
	buffer_addc(text, ';');
	add_blanks(text);
	add_in_any_case(text, name);
	add_blanks(text);
	buffer_addc(text, '=');
	add_blanks(text);
	buffer_adds(text, quote);
	if (strcmp(name, "rel") != 0)
		buffer_adds(text, value);
	else
		add_in_any_case(text, value);
	buffer_adds(text, quote);
}

/* A random link; `next` says whether to the next page. */
static void add_link(struct buffer *text, unsigned number, bool next)
{
	static const char *const nexts[] = {"next", "last next", "next last", "first next last"};
	static const char *const others[] = {"last", "first", "nextpage", "prev first", "x-next"};
	static const char *const titles[] = {"a, b", "rel=next", "<c>; rel=next", "\\\", <d>", "e"};
	bool early = below(2);

	buffer_addf(text, "</v2/x?a=1,2;3&n=%u>", number);
	if (early)
		add_parameter(text, "title", titles[below(5)]);
	add_parameter(text, "rel", next ? nexts[below(4)] : others[below(5)]);
	if (!early)
		add_parameter(text, "type", titles[below(5)]);
	if (below(2))
		add_parameter(text, "rel", next ? "last" : "next"); /* does not count */
}

/* A list of links, of which the one of a random number is to the next page. */
static bool try_list(void)
{
	unsigned n = 1 + below(4), which = below(n + 1);
	AUTO_FREE char *got = NULL, *want = NULL;
	AUTO_BUFFER text = {0};
	int found;

	for (unsigned i = 0; i < n; i++) {
		if (i) {
			add_blanks(&text);
			buffer_addc(&text, ',');
			add_blanks(&text);
		}
		add_link(&text, i, i == which);
	}
	want = format("/v2/x?a=1,2;3&n=%u", which);
	found = link_next(text.data, &got);
	if (found == (which < n) && (!found || !strcmp(got, want)))
		return true;
	printf("# %s: %d, %s\n", text.data, found, got ? got : "none");
	return false;
}

int main(void)
{
	unsigned seed = (unsigned)getpid();
	bool right = true;

	is_next("</a?b>; rel=\"next\"", "/a?b");
	is_next("</a>;rel=next", "/a");
	is_next("</a> ; REL = \"NEXT\"", "/a");
	is_next("</a>; rel=\"last next\"", "/a");
	is_next("</a>; title=\"x; rel=next\", </b>; rel=\"next\"", "/b");
	is_next("</a>; rel=\"first\", </b>; title=\"c, d\"; rel=\"next\";", "/b");
	is_next("</a>; rel=prev; rel=next", NULL);
	is_next("</a>; rel=nextpage", NULL);
	is_next("</a>; rel=\"last\" , <https://h/b,c;d>;rel=next", "https://h/b,c;d");
	is_next("<>; rel=next", "");
	is_next("", NULL);
	is_next(" , ", NULL);
	is_next("</a>", "/a");
	is_next("/a?b=1; rel=\"next\"", "/a?b=1");
	is_next("</a; rel=next", "malformed");
	is_next("</a>; rel=\"next", "malformed");
	is_next("</a> rel=next", "malformed");
	is_next("</a>; rel=last </b>; rel=next", "malformed");
	is_next("; rel=next", "malformed");
	srandom(seed);
	for (int i = 0; i < 20000 && right; i++)
		right = try_list();
	ok(right, "20000 random lists (seed %u)", seed);
	return done_testing();
}

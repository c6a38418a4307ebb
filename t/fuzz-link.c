/*
 * Links: whatever a server sends, a target is a part of it, the first link to the next page
 * counts, and one that follows what has none is found.
 */
#include "fuzz.h"
#include "net/link.h"

static const char *const seeds[] = {
	"</v2/a/tags/list?last=x&n=100>; rel=\"next\"",
	"<?p=2>; title=\"a, <b>; rel=next\"; rel=\"last next\", </c>;rel=first",
	"<https://h/a>;rel=prev ,\t<https://h/b;c,d> ; REL = \"NEXT\"",
	"/v2/a; rel=next, </b>",
};

static const char *const words[] = {
	"<",  ">",       "; ",     ",", "rel=", "rel", "next",   "\"next\"", "\"",
	"\\", "\"last ", "</a>; ", "=", " = ",  "\t",  "title=", "</b>",     "\xff",
};

static void try_behind(const char *header)
{
	AUTO_FREE char *longer = format("%s, </behind>; rel=next", header), *target = NULL;

	FUZZ_CHECK(link_next(longer, &target) == 1 && !strcmp(target, "/behind"));
}

static void try_before(const char *header)
{
	AUTO_FREE char *longer = format("</before>; rel=\"next\" , %s", header), *target = NULL;

	FUZZ_CHECK(link_next(longer, &target) == 1 && !strcmp(target, "/before"));
}

static void fuzz_one(const uint8_t *data, size_t len)
{
	AUTO_FREE char *text = fuzz_string(data, len), *target = NULL;
	int found = link_next(text, &target);

	FUZZ_CHECK(found >= -1 && found <= 1 && (found == 1) == (target != NULL));
	FUZZ_CHECK(!target || strstr(text, target));
	if (!found)
		try_behind(text);
	try_before(text);
}

FUZZ_MAIN(seeds, words, 100000)

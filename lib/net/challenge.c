/* Challenges: see challenge.h. */
#include "net/challenge.h"

#include <strings.h>

#include "base/buffer.h"
#include "base/mem.h"

/* A scheme, a parameter, or the token68 of a scheme, which is ignored. */
struct item {
	enum { SCHEME, PARAMETER, TOKEN68 } kind;
	const char *name;
	size_t len;
	char *value; /* of a parameter */
};

static void item_free(struct item *item)
{
	free(item->value);
}

static bool is_named(const struct item *item, const char *name)
{
	return item->len == strlen(name) && !strncasecmp(item->name, name, item->len);
}

/* Reads a quoted-string (RFC 9110, section 5.6.4) without its quotes. */
static char *read_quoted(const char **rest)
{
	AUTO_BUFFER value = {0};
	const char *p = *rest + 1;

	for (; *p && *p != '"'; p++) {
		if (*p == '\\' && p[1])
			p++;
		buffer_addc(&value, *p);
	}
	*rest = *p ? p + 1 : p;
	return *p ? buffer_steal(&value) : NULL;
}

static char *read_value(const char **rest)
{
	const char *p = *rest + strspn(*rest, " \t");
	size_t len = strcspn(p, " \t,");

	*rest = p + (*p == '"' ? 0 : len);
	return *p == '"' ? read_quoted(rest) : xstrndup(p, len);
}

/* Reads the next item; false at the end. */
static bool next_item(const char *header, const char **rest, struct item *item)
{
	const char *p = *rest + strspn(*rest, " \t,");
	bool begins = *rest == header || memchr(*rest, ',', (size_t)(p - *rest));

	*item = (struct item){.kind = begins ? SCHEME : TOKEN68, .name = p};
	item->len = strcspn(p, " \t,=\"");
	*rest = p + item->len;
	if (!item->len && *p == '"')
		free(read_quoted(rest));
	p = *rest + strspn(*rest, " \t");
	if (*p == '=') {
		*rest = p + 1;
		item->kind = PARAMETER;
		item->value = read_value(rest);
	}
	return *rest != item->name;
}

bool challenge_offers(const char *header, const char *scheme)
{
	const char *rest = header;

	for (;;) {
		CLEANUP(item_free) struct item item = {SCHEME};

		if (!next_item(header, &rest, &item))
			return false;
		if (item.kind == SCHEME && is_named(&item, scheme))
			return true;
	}
}

char *challenge_parameter(const char *header, const char *scheme, const char *name)
{
	const char *rest = header;
	bool here = false, seen = false;

	for (;;) {
		CLEANUP(item_free) struct item item = {SCHEME};

		if (!next_item(header, &rest, &item))
			return NULL;
		if (item.kind == SCHEME) {
			here = !seen && is_named(&item, scheme);
			seen = seen || here;
		} else if (here && item.kind == PARAMETER && is_named(&item, name)) {
			return STEAL(item.value);
		}
	}
}

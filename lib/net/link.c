/* Links: see link.h. */
#include "net/link.h"

#include <stdbool.h>
#include <strings.h>

#include "base/mem.h"

#define BLANKS " \t"

static const char *skip(const char *p)
{
	return p + strspn(p, BLANKS);
}

/* True if one of the relation types in the text, separated by blanks, is `next`. */
static bool has_next(const char *text, size_t len)
{
	const char *end = text + len;

	while (text < end) {
		size_t n = strcspn(text, BLANKS "\"");

		if (n > (size_t)(end - text))
			n = (size_t)(end - text);
		if (n == 4 && !strncasecmp(text, "next", 4))
			return true;
		text += n + 1;
	}
	return false;
}

/* Reads the target: <URI>, or without brackets up to the parameters.  False: malformed. */
static bool read_target(const char **rest, const char **target, size_t *len)
{
	bool quoted = **rest == '<';

	*target = *rest + quoted;
	*len = quoted ? strcspn(*target, ">") : strcspn(*target, BLANKS ";,<>\"");
	*rest = *target + *len;
	if (quoted && **rest != '>')
		return false;
	*rest = skip(*rest + quoted);
	return *len || quoted;
}

/* Reads a value: a token, or a quoted string without its quotes.  False: malformed. */
static bool read_value(const char **rest, const char **value, size_t *len)
{
	const char *p = *rest;

	if (*p != '"') {
		*value = p;
		*len = strcspn(p, BLANKS ";,\"");
		*rest = skip(p + *len);
		return true;
	}
	*value = ++p;
	while (*p && *p != '"')
		p += *p == '\\' && p[1] ? 2 : 1;
	*len = (size_t)(p - *value);
	*rest = skip(p + (*p == '"'));
	return *p == '"';
}

/* Reads a parameter; *value is NULL if it has none.  False: malformed. */
static bool read_parameter(const char **rest, const char **name, size_t *name_len,
			   const char **value, size_t *len)
{
	*value = NULL;
	*name = *rest;
	*name_len = strcspn(*rest, BLANKS "=;,<>\"");
	*rest = skip(*rest + *name_len);
	if (**rest != '=')
		return true; /* empty after the last semicolon */
	*rest = skip(*rest + 1);
	return read_value(rest, value, len);
}

/* What the parameters say about a link. */
enum relation { OTHER, NEXT, UNKNOWN };

/* Reads the parameters of a link.  Only the first rel counts.  False: malformed. */
static bool read_parameters(const char **rest, enum relation *relation)
{
	*relation = UNKNOWN;
	while (**rest == ';') {
		const char *name, *value;
		size_t name_len, len;

		*rest = skip(*rest + 1);
		if (!read_parameter(rest, &name, &name_len, &value, &len))
			return false;
		if (*relation == UNKNOWN && value && name_len == 3 && !strncasecmp(name, "rel", 3))
			*relation = has_next(value, len) ? NEXT : OTHER;
	}
	return !**rest || **rest == ',';
}

int link_next(const char *header, char **target)
{
	const char *rest = header + strspn(header, BLANKS ",");
	AUTO_FREE char *untyped = NULL;

	while (*rest) {
		enum relation relation;
		const char *uri;
		size_t len;

		if (!read_target(&rest, &uri, &len) || !read_parameters(&rest, &relation))
			return -1;
		if (relation == NEXT) {
			*target = xstrndup(uri, len);
			return 1;
		}
		if (relation == UNKNOWN && !untyped)
			untyped = xstrndup(uri, len);
		rest += strspn(rest, BLANKS ",");
	}
	*target = STEAL(untyped);
	return *target != NULL;
}

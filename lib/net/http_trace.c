/* Traces of requests and responses: see http_trace.h. */
#include "net/http_trace.h"

#include <stdbool.h>
#include <strings.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "format/url.h"

#define HIDDEN "(hidden)"

static bool is_harmless(const char *name)
{
	static const char *const names[] = {
		"Accept",
		"Accept-Ranges",
		"Cache-Control",
		"Connection",
		"Content-Encoding",
		"Content-Length",
		"Content-Range",
		"Content-Type",
		"Date",
		"Docker-Content-Digest",
		"Docker-Distribution-Api-Version",
		"Docker-Ratelimit-Source",
		"Host",
		"Last-Modified",
		"Location", /* see http_trace_line() */
		"OCI-Chunk-Min-Length",
		"Range",
		"Ratelimit-Limit",
		"Ratelimit-Remaining",
		"Retry-After",
		"Server",
		"Transfer-Encoding",
		"User-Agent",
		"Via",
		"WWW-Authenticate",
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!strcasecmp(name, names[i]))
			return true;
	return false;
}

/* "GET /path?query HTTP/1.1" without the query, or a status line unchanged. */
static char *first_line(const char *line)
{
	const char *query = strchr(line, '?');
	const char *end = query ? strchr(query, ' ') : NULL;

	if (!query)
		return xstrdup(line);
	return format("%.*s?" HIDDEN "%s", (int)(query - line), line, end ? end : "");
}

char *http_trace_line(const char *line, size_t len)
{
	AUTO_FREE char *text = NULL, *name = NULL, *url = NULL;
	const char *value;

	while (len && strchr("\r\n", line[len - 1]))
		len--;
	if (!len)
		return NULL;
	text = xstrndup(line, len);
	name = xstrndup(text, strcspn(text, ": "));
	if (text[strlen(name)] != ':' || !name[0]) /* or of HTTP/2, ":status" */
		return first_line(text);
	value = text + strlen(name) + 1;
	value += strspn(value, " \t");
	if (!strcasecmp(name, "Authorization"))
		return format("%s: %.*s " HIDDEN, name, (int)strcspn(value, " "), value);
	if (!is_harmless(name))
		return format("%s: " HIDDEN, name);
	if (strcasecmp(name, "Location") != 0)
		return STEAL(text);
	url = *value == '/' ? first_line(value) : url_public(value);
	return format("%s: %s", name, url ? url : HIDDEN);
}

/* URLs: see url.h. */
#include "format/url.h"

#include <curl/curl.h>
#include <strings.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/text.h"

static void handle_cleanup(CURLU **handle)
{
	curl_url_cleanup(*handle);
}

#define AUTO_URL CLEANUP(handle_cleanup) CURLU

/* Copies a libcurl string to our heap and wipes the original, which may be a secret. */
static char *take(char *text)
{
	char *copy = xstrdup(text);

	explicit_bzero(text, strlen(text));
	curl_free(text);
	return copy;
}

static char *part(CURLU *handle, CURLUPart which, unsigned flags)
{
	char *text;

	return curl_url_get(handle, which, &text, flags) ? NULL : take(text);
}

static char *part_of(const char *url, CURLUPart which, unsigned flags)
{
	AUTO_URL *handle = xalloc(curl_url());

	if (curl_url_set(handle, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME))
		return NULL;
	return part(handle, which, flags);
}

/* Encodes blanks, which are not allowed in a URL; other clients do the same. */
static char *encode_blanks(const char *reference)
{
	struct buffer text = {0};

	buffer_adds(&text, "");
	for (; *reference; reference++)
		if (*reference == ' ')
			buffer_adds(&text, "%20");
		else
			buffer_addc(&text, *reference);
	return buffer_steal(&text);
}

char *url_resolve(const char *base, const char *reference)
{
	AUTO_URL *handle = xalloc(curl_url());
	AUTO_FREE char *encoded = encode_blanks(reference);

	if (curl_url_set(handle, CURLUPART_URL, base, 0) ||
	    curl_url_set(handle, CURLUPART_URL, encoded, CURLU_NON_SUPPORT_SCHEME))
		return NULL;
	return part(handle, CURLUPART_URL, 0);
}

static bool same_part(const char *a, const char *b, CURLUPart which)
{
	AUTO_FREE char *of_a = part_of(a, which, CURLU_DEFAULT_PORT);
	AUTO_FREE char *of_b = part_of(b, which, CURLU_DEFAULT_PORT);

	return of_a && of_b && !strcasecmp(of_a, of_b);
}

bool url_same_origin(const char *a, const char *b)
{
	return same_part(a, b, CURLUPART_SCHEME) && same_part(a, b, CURLUPART_HOST) &&
	       same_part(a, b, CURLUPART_PORT);
}

bool url_same_host(const char *a, const char *b)
{
	AUTO_FREE char *of_a = part_of(a, CURLUPART_PORT, CURLU_NO_DEFAULT_PORT);
	AUTO_FREE char *of_b = part_of(b, CURLUPART_PORT, CURLU_NO_DEFAULT_PORT);

	return same_part(a, b, CURLUPART_HOST) && text_equal(of_a, of_b);
}

bool url_is_http(const char *url)
{
	AUTO_FREE char *scheme = part_of(url, CURLUPART_SCHEME, 0);

	return scheme && (!strcmp(scheme, "http") || !strcmp(scheme, "https"));
}

char *url_authority(const char *url)
{
	AUTO_FREE char *host = part_of(url, CURLUPART_HOST, 0);
	AUTO_FREE char *port = part_of(url, CURLUPART_PORT, 0);

	return host ? format("%s%s%s", host, port ? ":" : "", port ? port : "") : NULL;
}

char *url_moved(const char *url, const char *base)
{
	AUTO_FREE char *path = part_of(url, CURLUPART_PATH, 0);
	AUTO_FREE char *query = part_of(url, CURLUPART_QUERY, 0);
	const char *host = strstr(base, "://");
	size_t len;

	if (!path || !host)
		return NULL;
	len = (size_t)(host + 3 - base) + strcspn(host + 3, "/");
	return format("%.*s%s%s%s", (int)len, base, path, query ? "?" : "", query ? query : "");
}

char *url_public(const char *url)
{
	AUTO_FREE char *scheme = part_of(url, CURLUPART_SCHEME, 0);
	AUTO_FREE char *authority = url_authority(url);
	AUTO_FREE char *path = part_of(url, CURLUPART_PATH, 0);
	AUTO_FREE char *query = part_of(url, CURLUPART_QUERY, 0);

	if (!scheme || !authority || !path)
		return NULL;
	return format("%s://%s%s%s", scheme, authority, path, query ? "?(hidden)" : "");
}

static char *hide_secrets(const char *text, const char *ends)
{
	struct buffer out = {0};

	buffer_adds(&out, "");
	while (*text) {
		size_t secret = 0;

		buffer_addc(&out, *text);
		if (!strncmp(text, "://", 3)) {
			buffer_adds(&out, "//");
			text += 2;
			secret = text_user_info(text + 1, ends);
		} else if (*text == '?') {
			secret = strcspn(text + 1, ends);
			buffer_adds(&out, secret ? "(hidden)" : "");
		}
		text += 1 + secret;
	}
	return buffer_steal(&out);
}

char *url_hide_secrets(const char *text)
{
	return hide_secrets(text, URL_ENDS);
}

char *url_hide_own_secrets(const char *url)
{
	return hide_secrets(url, "");
}

char *url_escape(const char *text)
{
	return take(xalloc(curl_easy_escape(NULL, text, 0)));
}

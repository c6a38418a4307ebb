/* Untrusted text: see text.h. */
#include "base/text.h"

#include <string.h>

#include "base/mem.h"
#include "ducc.h"

/* Bytes kept from a message's beginning, which names things, and its end, the cause. */
#define HEAD_LIMIT ((size_t)1500)
#define TAIL_LIMIT ((size_t)500)

static bool is_special(unsigned char c, const char *special)
{
	if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) /* the common case */
		return false;
	return c <= ' ' || c >= 0x7f || c == '\\' || strchr(special, c);
}

void text_add_escaped(struct buffer *out, const char *text, const char *special)
{
	const unsigned char *p = (const unsigned char *)text;

	for (;;) {
		size_t plain = 0;

		while (!is_special(p[plain], special)) /* NUL is */
			plain++;
		buffer_add(out, p, plain);
		p += plain;
		if (!*p)
			return;
		buffer_addf(out, "\\%03o", *p++);
	}
}

size_t text_escaped_size(const char *text, size_t len, const char *special)
{
	size_t size = len;

	for (size_t i = 0; i < len; i++)
		if (is_special((unsigned char)text[i], special))
			size += strlen("\\ooo") - 1;
	return size;
}

/* The character of \ooo; 0 if that is malformed, or the character needs no escape. */
static unsigned char unescape(const char *p, const char *special)
{
	unsigned value = 0;

	for (int i = 1; i < 4; i++) {
		if (p[i] < '0' || p[i] > '7')
			return 0;
		value = value * 8 + (unsigned)(p[i] - '0');
	}
	return value > 255 || !is_special((unsigned char)value, special) ? 0 : (unsigned char)value;
}

bool text_undo_escapes(char *text, const char *special)
{
	char *to = text;

	for (const char *p = text; *p; to++) {
		if (*p == '\\') {
			*to = (char)unescape(p, special);
			if (!*to)
				return false;
			p += 4;
		} else if (is_special((unsigned char)*p, special)) {
			return false;
		} else {
			*to = *p++;
		}
	}
	*to = '\0';
	return true;
}

static size_t sequence_len(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first < 0xc0 || first >= 0xf8)
		return 0;
	return (size_t)2 + (first >= 0xe0) + (first >= 0xf0);
}

/* The same as text_sequence(), and the code point. */
static size_t decode(const unsigned char *p, size_t left, unsigned *code)
{
	static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = sequence_len(*p);

	if (len > left)
		return 0;
	*code = len == 1 ? *p : len ? *p & (0x7fU >> len) : 0;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (p[i] & 0x3f);
	}
	return *code < least[len] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000) ? 0
											     : len;
}

size_t text_sequence(const char *text, size_t len)
{
	unsigned code;

	return decode((const unsigned char *)text, len, &code);
}

/* True for characters that move the cursor, end a line, or change the writing direction. */
static bool steers(unsigned code)
{
	return code < ' ' || (code >= 0x7f && code <= 0x9f) || (code >= 0x2028 && code <= 0x202e) ||
	       (code >= 0x2066 && code <= 0x2069);
}

bool text_is_plain(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	while (*p) {
		unsigned code;
		size_t len = decode(p, SIZE_MAX, &code); /* ends at the NUL */

		if (len && steers(code))
			return false;
		p += len ? len : 1;
	}
	return true;
}

/* True for what follows the '@' of a pinned image. */
static bool is_digest(const char *text)
{
	static const char algorithm[] = "sha256:";
	size_t len = sizeof(algorithm) - 1;

	return !strncmp(text, algorithm, len) && strspn(text + len, "0123456789abcdef") >= 64;
}

/* The end of the last '@' in len bytes that does not precede a digest; 0: there is none. */
static size_t last_at(const char *text, size_t len)
{
	while (len && (text[len - 1] != '@' || is_digest(text + len)))
		len--;
	return len;
}

/* True unless what would be the port in HOST:PORT is none. */
static bool is_host(const char *text, size_t len)
{
	const char *colon = *text == '[' ? NULL : memchr(text, ':', len);
	size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;

	return !colon || (digits && colon + 1 + digits == text + len);
}

size_t text_user_info(const char *text, const char *ends)
{
	size_t whole = strcspn(text, ends), first = strcspn(text, "/?#");
	size_t len = first < whole ? first : whole, user = last_at(text, len);

	return user || is_host(text, len) ? user : last_at(text, whole);
}

char *text_hide_users(const char *text)
{
	struct buffer out = {0};
	const char *separator;

	while ((separator = strstr(text, "://"))) {
		const char *rest = separator + strlen("://");
		size_t user = text_user_info(rest, URL_ENDS);

		buffer_add(&out, text, (size_t)(rest - text));
		buffer_adds(&out, user ? "(hidden)@" : "");
		text = rest + user;
	}
	buffer_adds(&out, text);
	return buffer_steal(&out);
}

char *ducc_printable(const char *text)
{
	AUTO_BUFFER out = {0};
	const unsigned char *p = (const unsigned char *)text;

	buffer_adds(&out, "");
	while (*p) {
		unsigned code;
		size_t len = decode(p, SIZE_MAX, &code); /* ends at the NUL */

		if (len && !steers(code)) {
			buffer_add(&out, p, len);
			p += len;
			continue;
		}
		for (len = len ? len : 1; len; len--)
			buffer_addf(&out, "\\%03o", *p++);
	}
	return text_hide_users(out.data);
}

char *text_shorten(char *text)
{
	size_t len = strlen(text), head = HEAD_LIMIT, tail = len - TAIL_LIMIT;

	if (len <= HEAD_LIMIT + TAIL_LIMIT + strlen("..."))
		return text;
	/* Do not split a UTF-8 character. */
	while (head && (text[head] & 0xc0) == 0x80)
		head--;
	while (tail < len && (text[tail] & 0xc0) == 0x80)
		tail++;
	memcpy(text + head, "...", 3);
	memmove(text + head + 3, text + tail, len - tail + 1);
	return text;
}

/* The length of a path that a message begins with; it may contain blanks. */
static size_t path_len(const char *text)
{
	static const char *const ends[] = {": ", ", ", "; ", " (", ")", "\"", "'", ">"};
	size_t len = strlen(text);

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		const char *end = strstr(text, ends[i]);

		if (end && (size_t)(end - text) < len)
			len = (size_t)(end - text);
	}
	return len;
}

/* True if a path begins at `at`; a lone slash is the root of an image. */
static bool is_path(const char *text, const char *at)
{
	char before = ' ';

	if (at > text)
		before = at[-1];
	if (!strncmp(at, "...", 3))
		return at[3] && !strchr(" :,;)", at[3]) && memchr(at, '/', path_len(at));
	return *at == '/' && path_len(at) > 1 && at[1] != ' ' && at[1] != '/' &&
	       !text_is_alnum(before) && !strchr("._-+~%@*]/", before);
}

char *text_hide_paths(const char *text)
{
	struct buffer out = {0};
	const char *at = text;

	buffer_adds(&out, "");
	while (*at) {
		size_t url = strncmp(at, "://", 3) ? 0 : strcspn(at, " \"'>");

		if (url) {
			buffer_add(&out, at, url);
			at += url;
		} else if (is_path(text, at)) {
			buffer_adds(&out, "(path)");
			at += path_len(at);
		} else {
			buffer_addc(&out, *at++);
		}
	}
	return buffer_steal(&out);
}

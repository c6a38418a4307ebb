/*
 * Comparing texts; untrusted text in messages and line formats.
 *
 * Line formats (records, listings, plans) either refuse text that is not plain, or escape
 * it in octal as vis(3) does, so that no byte can end a word or a line.
 */
#ifndef DUCC_TEXT_H
#define DUCC_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buffer.h"

/* True for an ASCII letter or digit, whatever the locale. */
static inline bool text_is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* True if both texts are equal, or both are NULL. */
static inline bool text_equal(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* The end of a noun after this number. */
static inline const char *text_plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

/*
 * True if the text has no control characters, including Unicode's.  It need not be UTF-8:
 * names are bytes.
 */
bool text_is_plain(const char *text);

/*
 * The length of the UTF-8 sequence (RFC 3629) with which the text of len bytes, at least one,
 * begins; 0: it is malformed.
 */
size_t text_sequence(const char *text, size_t len);

/* Appends the text; blanks, backslashes, `special` and all but printable ASCII become \ooo. */
void text_add_escaped(struct buffer *out, const char *text, const char *special);

/* The number of bytes that text_add_escaped() appends for the first len bytes of the text. */
size_t text_escaped_size(const char *text, size_t len, const char *special);

/* Undoes text_add_escaped() in place; false if the text is not its output. */
bool text_undo_escapes(char *text, const char *special);

/*
 * Shortens a long message in place, to some 2,000 bytes, by removing its middle.  Returns
 * the text.
 */
char *text_shorten(char *text);

/* Characters that end a URL in a text. */
#define URL_ENDS " \t\"<>"

/*
 * The length of the user info, with its '@', at the beginning of what follows the "://" of a URL,
 * which can be malformed: a password may contain an unescaped slash.  0: there is none.  The URL is
 * followed by one of `ends`, or nothing.
 */
size_t text_user_info(const char *text, const char *ends);

/*
 * The text, such as a message, with "(hidden)" in place of the user info of URLs, which can be a
 * password.  No reference becomes valid by that.  The caller frees it.
 */
char *text_hide_users(const char *text);

/*
 * The text, such as a message, with "(path)" in place of each absolute path, and of what is left of
 * one by text_shorten(); URLs and names that only contain slashes stay.  The caller frees it.
 */
char *text_hide_paths(const char *text);

#endif

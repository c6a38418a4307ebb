/*
 * Text from outside, on its way into a line of text of ours.
 *
 * Line formats (records, listings, plans) either refuse text that is not plain, or write
 * it escaped: as vis(3) does in octal, so that no byte can end a word or a line.
 */
#ifndef DUCC_TEXT_H
#define DUCC_TEXT_H

#include <stdbool.h>

#include "base/buffer.h"

/* True for an ASCII letter or digit, whatever the locale. */
static inline bool text_is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/*
 * True if the text has no control character, also of Unicode's.  It need not be UTF-8:
 * names are bytes.
 */
bool text_is_plain(const char *text);

/* Appends the text; all but printable ASCII, blanks, backslashes and `special` become \ooo. */
void text_add_escaped(struct buffer *out, const char *text, const char *special);

/* Bytes that text_add_escaped() appends for the first len bytes of the text. */
size_t text_escaped_size(const char *text, size_t len, const char *special);

/* Undoes text_add_escaped() in place; false if that would not have written it so. */
bool text_undo_escapes(char *text, const char *special);

/*
 * Cuts a message that outside text has blown up in the middle, in place, to some 2,000
 * bytes.  Returns the text.
 */
char *text_shorten(char *text);

#endif

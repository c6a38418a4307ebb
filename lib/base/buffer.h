/*
 * A growing byte string.  `struct buffer b = {0}` is empty.
 *
 * data is NUL-terminated after the first addition, and may contain NUL bytes
 * before len.  Release it with buffer_free(), or take the string with
 * buffer_steal().
 */
#ifndef DUCC_BUFFER_H
#define DUCC_BUFFER_H

#include <stdarg.h>
#include <stddef.h>

struct buffer {
	char *data;
	size_t len;
	size_t capacity;
};

void buffer_free(struct buffer *buffer);
void buffer_reset(struct buffer *buffer);
void buffer_add(struct buffer *buffer, const void *data, size_t len);
void buffer_adds(struct buffer *buffer, const char *text);
void buffer_addc(struct buffer *buffer, char c);
void buffer_addf(struct buffer *buffer, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buffer_vaddf(struct buffer *buffer, const char *fmt, va_list args)
	__attribute__((format(printf, 2, 0)));

/* Extends the buffer by len bytes.  Returns a pointer to them; the caller fills them. */
char *buffer_extend(struct buffer *buffer, size_t len);

/* Truncates the buffer to len bytes, which must not exceed its length. */
void buffer_truncate(struct buffer *buffer, size_t len);

/* Transfers the string to the caller ("" if nothing was added) and empties the buffer. */
char *buffer_steal(struct buffer *buffer);

/* printf() into a new string, which the caller frees. */
char *format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define AUTO_BUFFER __attribute__((cleanup(buffer_free))) struct buffer

#endif

/* A growing byte string: see buffer.h. */
#include "base/buffer.h"

#include <stdint.h>
#include <stdio.h>

#include "base/mem.h"

#define FORMATTED_SIZE 128 /* bytes; most formatted text is shorter */

static void reserve(struct buffer *buffer, size_t more)
{
	size_t need = buffer->len + more + 1;

	if (more >= SIZE_MAX - buffer->len - 1)
		out_of_memory();
	if (need <= buffer->capacity)
		return;
	if (need < buffer->capacity * 2)
		need = buffer->capacity * 2;
	buffer->data = xreallocarray(buffer->data, need, 1);
	buffer->capacity = need;
}

void buffer_free(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct buffer){0};
}

void buffer_reset(struct buffer *buffer)
{
	buffer_truncate(buffer, 0);
}

void buffer_truncate(struct buffer *buffer, size_t len)
{
	buffer->len = len;
	if (buffer->data)
		buffer->data[len] = '\0';
}

char *buffer_extend(struct buffer *buffer, size_t len)
{
	reserve(buffer, len);
	buffer_truncate(buffer, buffer->len + len);
	return buffer->data + buffer->len - len;
}

void buffer_add(struct buffer *buffer, const void *data, size_t len)
{
	char *end = buffer_extend(buffer, len);

	if (len)
		memcpy(end, data, len);
}

void buffer_adds(struct buffer *buffer, const char *text)
{
	buffer_add(buffer, text, strlen(text));
}

void buffer_addc(struct buffer *buffer, char c)
{
	buffer_add(buffer, &c, 1);
}

void buffer_vaddf(struct buffer *buffer, const char *fmt, va_list args)
{
	va_list again;
	size_t room;
	int len;

	va_copy(again, args);
	reserve(buffer, FORMATTED_SIZE);
	room = buffer->capacity - buffer->len;
	len = vsnprintf(buffer->data + buffer->len, room, fmt, args);
	if (len < 0)
		out_of_memory();
	if ((size_t)len >= room) {
		reserve(buffer, (size_t)len);
		vsnprintf(buffer->data + buffer->len, (size_t)len + 1, fmt, again);
	}
	va_end(again);
	buffer->len += (size_t)len;
}

void buffer_addf(struct buffer *buffer, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	buffer_vaddf(buffer, fmt, args);
	va_end(args);
}

char *buffer_steal(struct buffer *buffer)
{
	char *data = buffer->data ? buffer->data : xstrdup("");

	*buffer = (struct buffer){0};
	return data;
}

char *format(const char *fmt, ...)
{
	struct buffer buffer = {0};
	va_list args;

	va_start(args, fmt);
	buffer_vaddf(&buffer, fmt, args);
	va_end(args);
	return buffer_steal(&buffer);
}

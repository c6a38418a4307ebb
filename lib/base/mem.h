/*
 * Memory and scope: allocation that cannot fail, and cleanup at the end of a
 * scope (GCC's cleanup attribute), so that early returns leak nothing.
 *
 * Out of memory aborts, with a message: no caller could recover, and every size from
 * outside is bounded before allocation.
 */
#ifndef DUCC_MEM_H
#define DUCC_MEM_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLEANUP(function) __attribute__((cleanup(function)))
#define AUTO_FREE CLEANUP(cleanup_free)
#define AUTO_CLOSE CLEANUP(cleanup_close)

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

static inline void cleanup_free(void *pointer)
{
	free(*(void **)pointer);
}

/* Keeps errno, which is that of what failed before. */
static inline void cleanup_close(const int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

/* Prints a message and aborts; also for functions of other libraries that fail only then. */
void out_of_memory(void) __attribute__((noreturn, cold));

static inline void *xalloc(void *pointer)
{
	if (!pointer)
		out_of_memory();
	return pointer;
}

static inline void *xcalloc(size_t n, size_t size)
{
	return xalloc(calloc(n ? n : 1, size));
}

static inline void *xmalloc(size_t size)
{
	return xalloc(malloc(size ? size : 1));
}

static inline void *xreallocarray(void *pointer, size_t n, size_t size)
{
	return xalloc(reallocarray(pointer, n ? n : 1, size));
}

static inline char *xstrdup(const char *text)
{
	return xalloc(strdup(text));
}

static inline char *xstrndup(const char *text, size_t len)
{
	return xalloc(strndup(text, len));
}

static inline void *xmemdup(const void *data, size_t len)
{
	return memcpy(xmalloc(len), data, len);
}

/* Ensures that `array` has capacity for at least n + 1 elements. */
#define GROW(array, n, capacity)                                                                   \
	do {                                                                                       \
		if ((n) == (capacity)) {                                                           \
			(capacity) = (capacity) ? (capacity)*2 : 16;                               \
			(array) = xreallocarray((array), (capacity), sizeof(*(array)));            \
		}                                                                                  \
	} while (0)

/* Transfers ownership of a pointer, or descriptor: returns it and leaves NULL, or -1. */
#define STEAL(pointer)                                                                             \
	__extension__({                                                                            \
		__typeof__(pointer) stolen_ = (pointer);                                           \
		(pointer) = NULL;                                                                  \
		stolen_;                                                                           \
	})

static inline int steal_fd(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}

#endif

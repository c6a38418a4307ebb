/*
 * Preloaded into a tool, makes an allocation of memory fail, also one of another library: see
 * inject.h.  OpenSSL 3.0 and libarchive 3.6 are spared, because they crash.
 */
#include <dlfcn.h>

#define KINDS(each) each(memory)
#include "inject.h"

void *next_malloc(size_t size) __asm__("__libc_malloc");
void *next_calloc(size_t n, size_t size) __asm__("__libc_calloc");
void *next_realloc(void *pointer, size_t size) __asm__("__libc_realloc");
void *next_memalign(size_t alignment, size_t size) __asm__("__libc_memalign");

static bool is_exhausted(void *caller)
{
	Dl_info where;
	int code;

	if (!active || !dladdr(caller, &where) || strstr(where.dli_fname, "/libcrypto.") ||
	    strstr(where.dli_fname, "/libarchive."))
		return false;
	code = inject(KIND_memory);
	if (code)
		errno = code;
	return code != 0;
}

void *malloc(size_t size)
{
	return is_exhausted(__builtin_return_address(0)) ? NULL : next_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return is_exhausted(__builtin_return_address(0)) ? NULL : next_calloc(n, size);
}

void *realloc(void *pointer, size_t size)
{
	return is_exhausted(__builtin_return_address(0)) ? NULL : next_realloc(pointer, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return is_exhausted(__builtin_return_address(0)) ? NULL : next_memalign(alignment, size);
}

int posix_memalign(void **pointer, size_t alignment, size_t size)
{
	*pointer =
		is_exhausted(__builtin_return_address(0)) ? NULL : next_memalign(alignment, size);
	return *pointer ? 0 : ENOMEM;
}

/*
 * Names are bytes.  libarchive converts them between the archive's encoding and
 * that of the thread's locale, except in the C locale.
 *
 * PLAIN_BYTES; at the beginning of a scope switches the thread to the C locale
 * until the end of the scope.
 */
#ifndef DUCC_C_LOCALE_H
#define DUCC_C_LOCALE_H

#include <locale.h>

#include "base/mem.h"

struct charset {
	locale_t plain, before;
};

static inline struct charset charset_enter(void)
{
	struct charset charset;

	charset.plain = xalloc(newlocale(LC_ALL_MASK, "C", (locale_t)0));
	charset.before = uselocale(charset.plain);
	return charset;
}

static inline void charset_leave(const struct charset *charset)
{
	uselocale(charset->before);
	freelocale(charset->plain);
}

#define PLAIN_BYTES                                                                                \
	CLEANUP(charset_leave) __attribute__((unused)) struct charset charset_ = charset_enter()

#endif

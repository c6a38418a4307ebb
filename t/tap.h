/* tap.h: TAP output for tests in C. */
#ifndef TAP_H
#define TAP_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ducc.h"

static int tap_count, tap_failed;

#define ok(condition, ...) tap_ok((condition), __FILE__, __LINE__, __VA_ARGS__)

__attribute__((format(printf, 4, 5))) static inline void tap_ok(int good, const char *file,
								int line, const char *fmt, ...)
{
	va_list args;

	printf("%sok %d - ", good ? "" : "not ", ++tap_count);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	if (!good) {
		printf("# at %s line %d\n", file, line);
		tap_failed++;
	}
}

static inline void is_string(const char *got, const char *want, const char *title)
{
	int same = got && want ? !strcmp(got, want) : got == want;

	ok(same, "%s", title);
	if (!same)
		printf("# got:  %s\n# want: %s\n", got ? got : "(null)", want ? want : "(null)");
}

/* The error says this somewhere.  Frees it. */
static inline void says(ducc_error **err, const char *want, const char *title)
{
	const char *got = *err ? ducc_error_message(*err) : "(no error)";
	int good = strstr(got, want) != NULL;

	ok(good, "%s", title);
	if (!good)
		printf("# got:     %s\n# without: %s\n", got, want);
	ducc_error_free(*err);
	*err = NULL;
}

static inline int done_testing(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed != 0;
}

#endif

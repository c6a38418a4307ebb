/* Clocks: see clock.h. */
#include "base/clock.h"

#include <errno.h>

#include "base/buffer.h"
#include "base/mem.h"

#define FORMAT "%Y-%m-%dT%H:%M:%SZ"

struct timespec clock_now(void)
{
	const char *text = getenv("DUCC_CLOCK");
	struct timespec now;
	char *end = NULL;
	long long seconds;

	clock_gettime(CLOCK_REALTIME, &now);
	errno = 0;
	seconds = text ? strtoll(text, &end, 10) : 0;
	if (text && end != text && !*end && !errno)
		now.tv_sec = seconds;
	return now;
}

char *clock_format(time_t when)
{
	struct tm tm = {0};
	char text[64] = "";

	gmtime_r(&when, &tm);
	strftime(text, sizeof(text), FORMAT, &tm);
	return xstrdup(text);
}

bool clock_parse(const char *text, time_t *when)
{
	struct tm tm = {0};
	const char *end = strptime(text, FORMAT, &tm);
	AUTO_FREE char *again = NULL;

	if (!end || *end)
		return false;
	*when = timegm(&tm);
	again = clock_format(*when); /* strptime(3) accepts more than strftime(3) writes */
	return !strcmp(again, text);
}

double clock_monotonic(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

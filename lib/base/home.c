/* The user's home directory: see home.h. */
#include "base/home.h"

#include <pthread.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"

#define RECORD_LIMIT 65536 /* bytes */

static char *listed; /* in the passwd database, or NULL */

static void look_up(void)
{
	AUTO_FREE char *buffer = xmalloc(RECORD_LIMIT);
	struct passwd entry, *found = NULL;

	if (!getpwuid_r(geteuid(), &entry, buffer, RECORD_LIMIT, &found) && found &&
	    found->pw_dir && *found->pw_dir)
		listed = xstrdup(found->pw_dir);
}

/* The database is asked once, at first: a confined process (confine.h) may not reach it. */
char *home_directory(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	const char *home = getenv("HOME");

	if (home && *home)
		return xstrdup(home);
	pthread_once(&once, look_up);
	return listed ? xstrdup(listed) : NULL;
}

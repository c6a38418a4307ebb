/* The user's home directory: see home.h. */
#include "base/home.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"

#define RECORD_LIMIT 65536 /* bytes */

char *home_directory(void)
{
	AUTO_FREE char *buffer = NULL;
	const char *home = getenv("HOME");
	struct passwd entry, *found = NULL;

	if (home && *home)
		return xstrdup(home);
	buffer = xmalloc(RECORD_LIMIT);
	if (getpwuid_r(geteuid(), &entry, buffer, RECORD_LIMIT, &found) || !found)
		return NULL;
	return found->pw_dir && *found->pw_dir ? xstrdup(found->pw_dir) : NULL;
}

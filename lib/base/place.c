/* Places that jobs write to: see place.h. */
#include "base/place.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/mem.h"

/* Cuts the last component off; false if there is none. */
static bool ascend(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash || !slash[1])
		return false;
	slash[slash == path] = '\0';
	return true;
}

/* Where the file system of the directory is mounted, allocated; NULL if that is unknown. */
static char *mount_point(const char *directory)
{
	AUTO_FREE char *path = realpath(directory, NULL);
	AUTO_FREE char *top = NULL;
	struct stat here, above;

	if (!path || stat(path, &here) < 0)
		return NULL;
	do {
		free(top);
		top = xstrdup(path);
	} while (ascend(path) && !stat(path, &above) && above.st_dev == here.st_dev);
	return STEAL(top);
}

void place_advise(ducc_error **err, const char *place, const char *directory, const char *remedy)
{
	AUTO_FREE char *mounted = NULL;

	if (!err || !*err || ducc_error_kind(*err) != DUCC_NO_SPACE)
		return;
	mounted = mount_point(directory);
	error_advise(err, "%s %s%s%s: %s", place, directory,
		     mounted ? ", on the file system mounted at " : "", mounted ? mounted : "",
		     remedy);
}

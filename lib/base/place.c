/* Places that jobs write to: see place.h. */
#include "base/place.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/mem.h"

#define RECORD_LIMIT 65536 /* bytes */

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

/*
 * Says that the file system is short of inodes rather than of space, allocated; "" otherwise.  Not
 * all need be in use any more: what has failed may be cleaned up.
 */
static char *inodes(const char *directory)
{
	struct statvfs fs;

	if (statvfs(directory, &fs) < 0 || !fs.f_files || fs.f_favail > fs.f_files / 10 ||
	    (double)fs.f_favail / (double)fs.f_files >=
		    (double)fs.f_bavail / (double)(fs.f_blocks ? fs.f_blocks : 1))
		return xstrdup("");
	return format(", %ju of whose %ju inodes are free", (uintmax_t)fs.f_favail,
		      (uintmax_t)fs.f_files);
}

void place_advise(ducc_error **err, const char *place, const char *directory, const char *remedy)
{
	AUTO_FREE char *mounted = NULL, *scarce = NULL;

	if (!err || !*err || ducc_error_kind(*err) != DUCC_NO_SPACE)
		return;
	mounted = mount_point(directory);
	scarce = inodes(mounted ? mounted : directory);
	error_advise(err, "%s %s%s%s%s: %s", place, directory,
		     mounted ? ", on the file system mounted at " : "", mounted ? mounted : "",
		     scarce, remedy);
}

/* The name of a user, or the number of one without a name; allocated. */
static char *user_name(uid_t id)
{
	AUTO_FREE char *buffer = xmalloc(RECORD_LIMIT);
	struct passwd entry, *found = NULL;

	if (!getpwuid_r(id, &entry, buffer, RECORD_LIMIT, &found) && found)
		return xstrdup(found->pw_name);
	return format("%ju", (uintmax_t)id);
}

static void advise_read_only(ducc_error **err, const char *path)
{
	AUTO_FREE char *mounted = mount_point(path);

	error_advise(err, "the file system%s%s is mounted read-only", mounted ? " at " : "",
		     mounted ? mounted : "");
}

void place_advise_denied(ducc_error **err, const char *directory, bool write)
{
	AUTO_FREE char *path = xstrdup(directory), *user = NULL, *owner = NULL;
	int wanted = R_OK | X_OK | (write ? W_OK : 0);
	struct stat st;

	if (!err || !*err || ducc_error_kind(*err) != DUCC_DENIED)
		return;
	while (stat(path, &st) < 0)
		if (!ascend(path))
			return;
	if (!faccessat(AT_FDCWD, path, wanted, AT_EACCESS))
		return;
	if (errno == EROFS) {
		advise_read_only(err, path);
		return;
	}
	user = user_name(geteuid());
	owner = user_name(st.st_uid);
	error_advise(err, "user %s may not %s %s, which belongs to %s and has mode %04o: run as %s",
		     user, write ? "write in" : "read", path, owner, (unsigned)st.st_mode & 07777,
		     owner);
}

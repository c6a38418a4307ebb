/* Entries of a directory: see entry.h. */
#include "content/entry.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/limits.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/mem.h"

/* The target of the symbolic link, allocated; NULL with errno set. */
static char *read_target(int directory, const char *name)
{
	char target[PATH_MAX];
	ssize_t len = readlinkat(directory, name, target, sizeof(target));

	return len < 0 ? NULL : xstrndup(target, (size_t)len);
}

struct file *entry_read(int directory, const char *name, struct stat *st)
{
	struct file *file;
	char *target = NULL;

	if (fstatat(directory, name, st, AT_SYMLINK_NOFOLLOW) < 0)
		return NULL;
	if (S_ISLNK(st->st_mode) && !(target = read_target(directory, name)))
		return NULL;
	file = file_new(st->st_mode);
	file->uid = st->st_uid;
	file->gid = st->st_gid;
	file->mtime = st->st_mtim.tv_sec;
	file->mtime_nsec = (uint32_t)st->st_mtim.tv_nsec;
	file->target = target;
	if (S_ISREG(st->st_mode))
		file->size = (uint64_t)st->st_size;
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) {
		file->major = major(st->st_rdev);
		file->minor = minor(st->st_rdev);
	}
	return file;
}

/* Attributes that a host or file system gives to files, whatever they had before. */
static bool is_foreign(const char *name)
{
	static const char *const foreign[] = {
		"system.",      "security.selinux", "security.SMACK64", "security.apparmor",
		"security.ima", "security.evm",     "trusted.overlay.", "btrfs."};

	for (size_t i = 0; i < ARRAY_LEN(foreign); i++)
		if (!strncmp(name, foreign[i], strlen(foreign[i])))
			return true;
	return false;
}

static int add_xattr(struct file *file, const char *path, const char *name)
{
	char value[XATTR_SIZE_MAX];
	ssize_t len = lgetxattr(path, name, value, sizeof(value));

	if (len < 0)
		return errno == ENODATA ? 0 : -1;
	file_add_xattr(file, name, value, (size_t)len);
	return 0;
}

int entry_read_xattrs(struct file *file, int directory, const char *name)
{
	AUTO_FREE char *path = format("/proc/self/fd/%d/%s", directory, name);
	char names[XATTR_LIST_MAX];
	ssize_t len = llistxattr(path, names, sizeof(names));

	if (len < 0)
		return errno == ENOTSUP ? 0 : -1;
	for (const char *at = names; at < names + len; at += strlen(at) + 1)
		if (!is_foreign(at) && add_xattr(file, path, at) < 0)
			return -1;
	file_sort_xattrs(file);
	return 0;
}

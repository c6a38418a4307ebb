/* Paths of a CernVM-FS repository: see mount.h. */
#include "cvmfs/mount.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/entries.h"
#include "base/mem.h"
#include "base/path.h"

/* True for a CernVM-FS mount, even of an empty repository; an unused mount point is empty. */
static bool is_mounted(const char *path)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 &&
	       (fgetxattr(fd, "user.root_hash", NULL, 0) > 0 || !directory_is_empty(fd, ""));
}

/* The root of the machine's own directories; "" for / itself. */
static const char *sysroot(void)
{
	const char *root = getenv("DUCC_SYSROOT");

	return root ? root : "";
}

char *mount_path(const struct repository *repository)
{
	return format("%s/cvmfs/%s", sysroot(), repository->name);
}

char *mount_spool(const struct repository *repository, const char *file)
{
	return format("%s/var/spool/cvmfs/%s%s%s", sysroot(), repository->name, *file ? "/" : "",
		      file);
}

char *mount_config(const struct repository *repository, const char *file)
{
	return format("%s/etc/cvmfs/repositories.d/%s/%s", sysroot(), repository->name, file);
}

void mount_find(struct repository *repository, const char *store)
{
	AUTO_FREE char *rdonly = mount_spool(repository, "rdonly");
	AUTO_FREE char *mount = mount_path(repository);
	AUTO_FREE char *copy = format("%s/repositories/%s", store, repository->name);

	free(STEAL(repository->path));
	repository->metadata_only = false;
	if (is_mounted(rdonly)) {
		repository->path = STEAL(rdonly);
	} else if (is_mounted(mount)) {
		repository->path = STEAL(mount);
	} else if (!access(copy, F_OK)) {
		repository->path = STEAL(copy);
		repository->metadata_only = true;
	}
}

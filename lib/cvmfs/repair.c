/* Repairs of a publisher's spool directory: see repair.h. */
#include "cvmfs/repair.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "cvmfs/mount.h"

#define SCRATCH "scratch"
#define CURRENT "current"

int repair_scratch(const struct repository *repository, ducc_error **err)
{
	AUTO_FREE char *path = mount_spool(repository, SCRATCH);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, errno, "%s", path);
	if (mkdirat(fd, CURRENT, 0755) < 0)
		return errno == EEXIST ? 0 : error_errno(err, errno, "%s/" CURRENT, path);
	if (fchownat(fd, CURRENT, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchmodat(fd, CURRENT, 0755, 0) < 0) /* whatever the umask */
		return error_errno(err, errno, "%s/" CURRENT, path);
	return 0;
}

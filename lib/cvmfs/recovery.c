/* Repairs of a publisher's spool directory: see recovery.h. */
#include "cvmfs/recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/entries.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "cvmfs/group.h"
#include "cvmfs/journal.h"
#include "cvmfs/mount.h"

#define SCRATCH "scratch"
#define CURRENT "current"
#define CLIENT "cvmfs2"
#define SERVERS "cvmfs_" /* cvmfs_server, cvmfs_publish, cvmfs_swissknife ... */

int recover_scratch(const struct repository *repository, ducc_error **err)
{
	AUTO_FREE char *path = mount_spool(repository, SCRATCH);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, errno, "%s", path);
	if (mkdirat(fd, CURRENT, 0755) < 0)
		return errno == EEXIST ? 0 : error_errno(err, errno, "%s/" CURRENT, path);
	if (fchownat(fd, CURRENT, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    path_chmod(fd, CURRENT, 0755) < 0) /* whatever the umask */
		return error_errno(err, errno, "%s/" CURRENT, path);
	return 0;
}

void recover_mount(const struct repository *repository)
{
	AUTO_FREE char *path = mount_spool(repository, "rdonly");
	struct stat st;

	if (stat(path, &st) < 0 && errno == ENOTCONN)
		umount2(path, MNT_DETACH);
}

/* The name of a process; "" if it is gone. */
static char *process_name(const char *pid)
{
	AUTO_FREE char *path = format("/proc/%s/comm", pid);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	char name[64] = "";
	ssize_t n = fd < 0 ? -1 : file_read_all(fd, name, sizeof(name) - 1, 0);

	name[n > 0 ? strcspn(name, "\n") : 0] = '\0';
	return xstrdup(name);
}

/* Of the processes whose descriptors we may not read, those of cvmfs_server may hold it. */
static bool may_hold(const char *pid, const char *path, const struct stat *lock)
{
	AUTO_FREE char *name = process_name(pid);
	int holds;

	if (!strcmp(name, CLIENT) || atol(pid) == (long)getpid())
		return false;
	holds = pid_has_open(pid, path, lock);
	return holds < 0 ? !strncmp(name, SERVERS, strlen(SERVERS)) : holds;
}

static bool somebody_may_hold(const char *path, const struct stat *lock)
{
	AUTO_ENTRIES entries = entries_of(open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	const char *name;

	if (entries.error)
		return true;
	while ((name = entries_next(&entries)))
		if (name[0] >= '1' && name[0] <= '9' && may_hold(name, path, lock))
			return true;
	return false;
}

void recover_publishing_lock(const struct repository *repository)
{
	AUTO_FREE char *path = journal_publishing_lock(repository);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st, now;

	/* While it is held, nobody else can begin to publish. */
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK &&
	    !fstat(fd, &st) && !somebody_may_hold(path, &st) && !lstat(path, &now) &&
	    file_is_same(&st, &now))
		unlink(path);
}

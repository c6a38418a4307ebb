/* The metadata of extracted files: see metadata.h. */
#include "content/metadata.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"

bool not_permitted(int code)
{
	return code == EPERM || code == EACCES || code == ENOTSUP;
}

static int set_xattrs(struct extract_report *report, const struct file *file, int fd,
		      const char *proc_path)
{
	for (size_t i = 0; i < file->n_xattrs; i++) {
		const struct xattr *xattr = &file->xattrs[i];
		int result =
			fd >= 0 ? fsetxattr(fd, xattr->name, xattr->value, xattr->len, 0)
				: lsetxattr(proc_path, xattr->name, xattr->value, xattr->len, 0);

		if (result < 0 && !not_permitted(errno))
			return -1;
		report->xattrs += result < 0;
	}
	return 0;
}

/* The permitted mode: files lose setuid and setgid bits if their owner could not be set. */
static mode_t permitted_mode(struct extract_report *report, const struct file *file,
			     bool owner_failed)
{
	mode_t mode = file->mode & 07777;

	if (!owner_failed)
		return mode;
	report->owners++;
	if (S_ISDIR(file->mode) || !(mode & (S_ISUID | S_ISGID)))
		return mode;
	report->privileged_modes++;
	return mode & ~(mode_t)(S_ISUID | S_ISGID);
}

/* Sets the owner, if it is another one: 0, or -1. */
static int set_owner(int fd, const struct file *file, const struct stat *st)
{
	return st->st_uid == file->uid && st->st_gid == file->gid
		       ? 0
		       : fchown(fd, file->uid, file->gid);
}

/*
 * Owner, mode, xattrs and time, in this order: setting one may clear later ones.  Most files are
 * created with the right owner and mode: setting them again would take longer than looking.
 */
int set_metadata(int fd, const struct file *file, struct extract_report *report)
{
	struct timespec times[2] = {
		{.tv_sec = file->mtime, .tv_nsec = file->mtime_nsec},
		{.tv_sec = file->mtime, .tv_nsec = file->mtime_nsec},
	};
	bool owner_failed;
	struct stat st;
	mode_t mode;

	if (fstat(fd, &st) < 0)
		return -1;
	owner_failed = set_owner(fd, file, &st) < 0;
	if (owner_failed && !not_permitted(errno))
		return -1;
	mode = permitted_mode(report, file, owner_failed);
	if (((st.st_mode & 07777) != mode && fchmod(fd, mode) < 0) ||
	    set_xattrs(report, file, fd, NULL) < 0 || futimens(fd, times) < 0)
		return -1;
	return 0;
}

int set_metadata_at(int directory, const char *name, const struct file *file,
		    struct extract_report *report)
{
	struct timespec times[2] = {
		{.tv_sec = file->mtime, .tv_nsec = file->mtime_nsec},
		{.tv_sec = file->mtime, .tv_nsec = file->mtime_nsec},
	};
	bool owner_failed =
		fchownat(directory, name, file->uid, file->gid, AT_SYMLINK_NOFOLLOW) < 0;
	AUTO_FREE char *proc_path = NULL;

	if (owner_failed && !not_permitted(errno))
		return -1;
	if (S_ISLNK(file->mode))
		report->owners += owner_failed;
	else if (path_chmod(directory, name, permitted_mode(report, file, owner_failed)) < 0)
		return -1;
	if (file->n_xattrs) {
		proc_path = format("/proc/self/fd/%d/%s", directory, name);
		if (set_xattrs(report, file, -1, proc_path) < 0)
			return -1;
	}
	return utimensat(directory, name, times, AT_SYMLINK_NOFOLLOW);
}

int make_whiteout(int parent, const char *name)
{
	static const struct timespec epoch[2];

	/* Any user may create this device. */
	if (mknodat(parent, name, S_IFCHR, makedev(0, 0)) < 0)
		return -1;
	return utimensat(parent, name, epoch, AT_SYMLINK_NOFOLLOW);
}

void extract_report_add(struct extract_report *report, const struct extract_report *other)
{
	report->owners += other->owners;
	report->devices += other->devices;
	report->xattrs += other->xattrs;
	report->privileged_modes += other->privileged_modes;
	amount_add(&report->sent, other->sent);
	amount_add(&report->linked, other->linked);
}

void extract_report_free(struct extract_report *report)
{
	for (size_t i = 0; i < report->n_closed; i++)
		free(report->closed[i].path);
	free(report->closed);
	*report = (struct extract_report){.open = false};
}

static void add_count(struct buffer *text, size_t n, const char *one, const char *many)
{
	if (n)
		buffer_addf(text, "%s%zu %s", text->len ? ", " : "", n, n == 1 ? one : many);
}

char *extract_report_text(const struct extract_report *report)
{
	struct buffer text = {0};

	add_count(&text, report->owners, "owner", "owners");
	add_count(&text, report->devices, "device", "devices");
	add_count(&text, report->xattrs, "extended attribute", "extended attributes");
	add_count(&text, report->privileged_modes, "setuid or setgid bit", "setuid or setgid bits");
	return text.len ? buffer_steal(&text) : NULL;
}

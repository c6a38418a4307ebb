/* The file that an entry of a layer's tar describes: see layer_file.h. */
#include "content/layer_file.h"

#include <inttypes.h>
#include <limits.h>

#include "base/mem.h"

/* Linux's own bounds for the extended attributes of a file (linux/limits.h), in bytes. */
#define XATTR_NAME_LIMIT 255
#define XATTR_VALUE_LIMIT 65536
#define XATTR_NAMES_LIMIT 65536 /* all names, with their NULs */

/* Linux's dev_t. */
#define MAJOR_LIMIT 0xfff
#define MINOR_LIMIT 0xfffff

/* Refuses attributes that no Linux file system can store. */
static int check_xattr(const char *name, size_t len, ducc_error **err)
{
	if (!*name)
		return error_set(err, "extended attribute without a name");
	if (strlen(name) > XATTR_NAME_LIMIT)
		return error_set(err, "extended attribute %.64s...: name of more than %d bytes",
				 name, XATTR_NAME_LIMIT);
	if (len > XATTR_VALUE_LIMIT)
		return error_set(err, "extended attribute %s: value of more than %d bytes", name,
				 XATTR_VALUE_LIMIT);
	return 0;
}

static int check_xattr_names(const struct file *file, ducc_error **err)
{
	size_t size = 0;

	for (size_t i = 0; i < file->n_xattrs; i++) {
		size += strlen(file->xattrs[i].name) + 1;
		if (size > XATTR_NAMES_LIMIT)
			return error_set(err,
					 "extended attribute %s: names of more than %d bytes "
					 "together",
					 file->xattrs[i].name, XATTR_NAMES_LIMIT);
	}
	return 0;
}

static int set_xattrs(struct file *file, const struct tar_entry *entry, ducc_error **err)
{
	for (size_t i = 0; i < entry->n_xattrs; i++) {
		const struct pax_xattr *xattr = &entry->xattrs[i];

		/* An image must not control the overlayfs on which it is mounted. */
		if (!strncmp(xattr->name, "trusted.overlay.", 16) ||
		    !strncmp(xattr->name, "user.overlay.", 13))
			continue;
		if (check_xattr(xattr->name, xattr->len, err) < 0)
			return -1;
		file_add_xattr(file, xattr->name, xattr->value, xattr->len);
	}
	file_sort_xattrs(file);
	return check_xattr_names(file, err);
}

static int set_number(uint32_t *to, int64_t value, uint32_t max, const char *what, ducc_error **err)
{
	if (value < 0 || value > max)
		return error_set(err, "%s %" PRId64 " out of range", what, value);
	*to = (uint32_t)value;
	return 0;
}

/*
 * Sets an owner.  Engines pass it to chown(2), which takes 32 bits, and for which -1 is to leave
 * the owner as it is: root, if the file is new.
 */
static int set_owner(struct file *file, uint32_t *to, int64_t value, const char *what,
		     ducc_error **err)
{
	bool unchanged = value == -1 || value == UINT32_MAX;

	if (unchanged && !S_ISDIR(file->mode))
		value = 0;
	if (value < -1 && value >= INT32_MIN)
		value += (int64_t)UINT32_MAX + 1;
	return set_number(to, value, UINT32_MAX - 1, what, err);
}

static int set_target(struct file *file, const char *target, ducc_error **err)
{
	if (!*target)
		return error_set(err, "symbolic link without a target");
	if (strlen(target) >= PATH_MAX)
		return error_set(err, "target of more than %d bytes", PATH_MAX - 1);
	file->target = xstrdup(target);
	return 0;
}

static int set_kind(struct file *file, const struct tar_entry *entry, ducc_error **err)
{
	switch (file->mode & S_IFMT) {
	case S_IFREG:
		file->size = entry->size;
		return 0;
	case S_IFLNK:
		file->mode = S_IFLNK | 0777; /* symbolic links have no permissions */
		return set_target(file, entry->link, err);
	case S_IFCHR:
	case S_IFBLK:
		if (!set_number(&file->major, entry->major, MAJOR_LIMIT, "device number", err))
			return set_number(&file->minor, entry->minor, MINOR_LIMIT, "device number",
					  err);
		return -1;
	case S_IFDIR:
	case S_IFIFO:
		return 0;
	default:
		return error_set(err, "unknown entry type");
	}
}

struct file *layer_file_new(const struct tar_entry *entry, ducc_error **err)
{
	struct file *file = file_new(entry->mode);

	file->mtime = entry->mtime;
	file->mtime_nsec = entry->mtime_nsec;
	if (!set_owner(file, &file->uid, entry->uid, "uid", err) &&
	    !set_owner(file, &file->gid, entry->gid, "gid", err) && !set_kind(file, entry, err) &&
	    !set_xattrs(file, entry, err))
		return file;
	file_unref(file);
	return NULL;
}

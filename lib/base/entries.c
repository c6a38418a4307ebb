/* The entries of a directory: see entries.h. */
#include "base/entries.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"

struct entries entries_of(int fd)
{
	struct entries entries = {.fd = fd, .stream = fd < 0 ? NULL : fdopendir(fd)};

	if (!entries.stream) {
		entries.error = errno;
		cleanup_close(&fd);
		entries.fd = -1;
	}
	return entries;
}

struct entries entries_open(int root, const char *path)
{
	return entries_of(root < 0 ? -1 : path_open(root, path, O_RDONLY | O_DIRECTORY, 0));
}

const char *entries_next(struct entries *entries)
{
	const struct dirent *entry;

	if (!entries->stream)
		return NULL;
	do {
		errno = 0;
		entry = readdir(entries->stream);
	} while (entry && (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")));
	if (!entry) {
		entries->error = errno;
		return NULL;
	}
	entries->type = entry->d_type;
	return entry->d_name;
}

unsigned char entries_type(const struct entries *entries, const char *name)
{
	struct stat st;

	if (entries->type != DT_UNKNOWN)
		return entries->type;
	if (fstatat(entries->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return DT_UNKNOWN;
	return IFTODT(st.st_mode);
}

void entries_close(struct entries *entries)
{
	if (entries->stream)
		closedir(entries->stream);
	entries->stream = NULL;
}

bool directory_is_empty(int root, const char *path)
{
	AUTO_ENTRIES entries = entries_open(root, path);

	return !entries_next(&entries) && !entries.error;
}

bool entries_is_incidental(const char *name)
{
	return name[0] == '.' || !strcmp(name, "lost+found");
}

char *directory_find_foreign(int root, const char *const *ours, size_t n)
{
	AUTO_ENTRIES entries = entries_open(root, "");
	const char *name;

	do
		name = entries_next(&entries);
	while (name && entries_is_incidental(name));
	/* Afterwards: somebody who is just making one has begun with a name of ours. */
	for (size_t i = 0; name && i < n; i++)
		if (!path_is_absent(root, ours[i]))
			return NULL;
	return name ? xstrdup(name) : NULL;
}

/* Notes about a repository, in the store: see notes.h. */
#include "repo/notes.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"

#define DIRECTORY "known"

char *notes_path(const struct repository *repository, const char *suffix)
{
	bool is_path = strchr(repository->name, '/') != NULL;
	AUTO_FREE char *path = is_path ? realpath(repository->name, NULL) : NULL;
	const char *name = path ? path : repository->name;
	struct digest digest = digest_of(name, strlen(name));

	return format(DIRECTORY "/%s%s", digest.hex, suffix);
}

int notes_open(const struct store *store, const char *path, size_t max)
{
	AUTO_CLOSE int fd = -1;
	struct stat st;

	if (path_mkdirs(store->fd, DIRECTORY) < 0)
		return -1;
	fd = path_open(store->fd, path, O_RDWR | O_CREAT | O_APPEND, 0644);
	if (fd < 0 || flock(fd, LOCK_EX) < 0 || fstat(fd, &st) < 0 ||
	    ((uint64_t)st.st_size > max && ftruncate(fd, 0) < 0))
		return -1;
	return steal_fd(&fd);
}

/* Writing files of the store: what happens to the name in tmp/ when a step fails. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/removal.h"
#include "store/staged.h"
#include "tap.h"

#define FINAL "layers/one.tar"
#define TEMPORARY "tmp/layers-one.tar"

static char root_path[] = "/tmp/ducc-staged.XXXXXX";
static int root;
static bool failing;

/* Instead of libc's: fails for a directory, after another writer has begun the same file. */
int fsync(int fd)
{
	struct stat st;

	if (!failing || fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode))
		return 0;
	close(path_open(root, TEMPORARY, O_WRONLY | O_CREAT | O_EXCL, 0644));
	errno = EIO;
	return -1;
}

int main(void)
{
	struct store store = {.path = root_path};
	AUTO_STAGED staged = STAGED_NONE;
	ducc_error *err = NULL;

	if (!mkdtemp(root_path))
		return 1;
	store.fd = root = open(root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	path_mkdirs(root, "tmp");
	path_mkdirs(root, "layers");
	ok(!staged_begin(&staged, &store, FINAL, false, NULL) && !write_all(staged.fd, "one", 3),
	   "a file is written");
	failing = true;
	ok(staged_commit(&staged, &err) < 0, "an error after it has its name");
	says(&err, FINAL ": Input/output error", "... is reported");
	ok(path_exists(root, TEMPORARY), "... leaves the file of the next writer alone");
	ok(path_exists(root, FINAL), "... and its own");
	close(root);
	path_remove(AT_FDCWD, root_path);
	return done_testing();
}

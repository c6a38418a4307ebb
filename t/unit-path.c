/* Removing directories, however deep and wide they are. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/entries.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/removal.h"
#include "tap.h"

#define DEPTH 3000
#define WIDTH 300

/* A chain of directories, with a file at each. */
static bool make_deep(int root)
{
	int here = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (int i = 0; i < DEPTH && here >= 0; i++) {
		int next, file = openat(here, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		cleanup_close(&file);
		if (file < 0 || mkdirat(here, "deep", 0700) < 0)
			break;
		next = openat(here, "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(here);
		here = next;
	}
	cleanup_close(&here);
	return here >= 0;
}

/* Many directories in one, with something in each; the last ones may not be written to. */
static bool make_wide(int root)
{
	for (int i = 0; i < WIDTH; i++) {
		AUTO_FREE char *name = format("wide/%d/a/b", i), *top = format("wide/%d", i);

		if (path_mkdirs(root, name) < 0 ||
		    (i > WIDTH / 2 && fchmodat(root, top, 0500, 0) < 0))
			return false;
	}
	return symlinkat("../kept", root, "wide/link") == 0;
}

int main(void)
{
	char directory[] = "/tmp/unit-path.XXXXXX";
	AUTO_CLOSE int root =
		mkdtemp(directory) ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (root < 0 || path_mkdirs(root, "kept/inside") < 0 || path_mkdirs(root, "top") < 0)
		return 1;
	AUTO_CLOSE int top = path_open(root, "top", O_RDONLY | O_DIRECTORY, 0);
	ok(make_deep(top) && make_wide(top), "what is to be removed is there");
	ok(!path_remove(root, "top"), "it is removed");
	ok(!path_exists(root, "top"), "... all of it");
	ok(path_exists(root, "kept/inside"), "... and nothing else");
	ok(!path_remove(root, "top"), "what is not there is no error");
	ok(!path_remove(root, "kept") && directory_is_empty(root, ""),
	   "nothing is left in the end");
	rmdir(directory);
	return done_testing();
}

/* Removing directories, however deep and wide they are, and whoever else renames what is in them. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

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

static mode_t emptied; /* the mode of the directory with the file "last", before that is removed */

/* The library's own call: somebody replaces a directory as soon as it has proved not to be empty. */
int unlinkat(int fd, const char *name, int flags)
{
	struct stat st;
	int result, code;

	if (!strcmp(name, "last") && !fstat(fd, &st))
		emptied = st.st_mode & 07777;
	result = (int)syscall(SYS_unlinkat, fd, name, flags);
	code = errno;
	if (result < 0 && code == ENOTEMPTY && !strcmp(name, "replaced") &&
	    (renameat(fd, name, fd, "moved") < 0 || symlinkat("../kept", fd, name) < 0))
		code = EIO;
	errno = code;
	return result;
}

static mode_t mode_of(int root, const char *name)
{
	struct stat st;

	return fstatat(root, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : st.st_mode & 07777;
}

/* Removal must make directories writable, and nothing else. */
static void test_replaced(int root)
{
	ok(!path_mkdirs(root, "top/replaced/inside") && !fchmodat(root, "kept", 0755, 0),
	   "a directory that will be replaced by a link to another one");
	ok(path_remove(root, "top") < 0, "it cannot be removed");
	ok(path_find(root, "top/moved/inside") == 1 && mode_of(root, "top/replaced") == 0777,
	   "... as it was replaced");
	ok(mode_of(root, "kept") == 0755, "the other one keeps its mode");
	ok(!path_remove(root, "top"), "the next attempt removes both");
	ok(path_exists(root, "kept/inside"), "... and not the other one");
}

static void test_modes(int root)
{
	ok(!path_mkdirs(root, "modes/closed") && !symlinkat("../kept", root, "modes/link") &&
		   !symlinkat("modes", root, "parent") && !mkfifoat(root, "modes/fifo", 0600),
	   "a directory, links and a FIFO");
	ok(!path_chmod(root, "modes/closed", 02040) && mode_of(root, "modes/closed") == 02040,
	   "a directory's mode is set");
	ok(!path_permit(root, "modes/closed") && mode_of(root, "modes/closed") == 02740,
	   "... or only completed for the owner");
	ok(!path_chmod(root, "modes/fifo", 0644) && mode_of(root, "modes/fifo") == 0644,
	   "the mode of a FIFO is set without opening it");
	ok(path_permit(root, "modes/fifo") < 0 && mode_of(root, "modes/fifo") == 0644,
	   "... and completed only for directories");
	ok(path_chmod(root, "modes/link", 0700) < 0 && path_permit(root, "modes/link") < 0 &&
		   path_chmod(root, "parent/closed", 0700) < 0 &&
		   path_permit(root, "parent/closed") < 0,
	   "no link is followed");
	ok(mode_of(root, "kept") == 0755 && mode_of(root, "modes/closed") == 02740,
	   "... so that modes elsewhere stay");
	ok(!path_remove(root, "modes") && !path_remove(root, "parent"), "they are removed");
	ok(!path_mkdirs(root, "tmp/tmp") && !path_chmod(root, "tmp/tmp", 01777) &&
		   symlinkat("to", root, "tmp/tmp/last") == 0 && !path_remove(root, "tmp") &&
		   emptied == 0700,
	   "nobody else may add files while a directory is emptied");
}

/* From now on, the kernel has no fchmodat2(2), or a filter refuses it. */
static bool refuse_fchmodat2(int code)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CALL_FCHMODAT2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)code),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = ARRAY_LEN(filter), .filter = filter};

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) &&
	       syscall(CALL_FCHMODAT2, -1, NULL, 0, 0) < 0 && errno == code;
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
	test_replaced(root);
	test_modes(root);
	ok(refuse_fchmodat2(EPERM), "the same if fchmodat2() is refused");
	test_modes(root);
	ok(refuse_fchmodat2(ENOSYS), "the same if fchmodat2() does not exist");
	test_modes(root);
	ok(!path_remove(root, "kept") && directory_is_empty(root, ""),
	   "nothing is left in the end");
	rmdir(directory);
	return done_testing();
}

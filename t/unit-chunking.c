/*
 * Files in chunks: the configuration of a repository, and what becomes of a published file's
 * attributes in a graft.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "cvmfs/chunking.h"
#include "cvmfs/config.h"
#include "cvmfs/staging.h"
#include "tap.h"

#define NAME "test.example.org"
#define MB ((uint64_t)1 << 20)
#define ZEROS "0000000000000000000000000000000000000000"
#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C "0123456789abcdef0123456789abcdef01234567"
#define HEADING "hash,offset,size\n"

static char directory[] = "/tmp/ducc-chunking-XXXXXX";
static char name[] = NAME;
static struct repository repository = {.name = name, .path = directory};

/* --- the configuration ------------------------------------------------ */

static bool vanishing; /* what is opened is removed at once */

int open(const char *path, int flags, ...)
{
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0);

	if (vanishing)
		unlink(path);
	return fd;
}

static char *config_path(const char *file)
{
	return format("%s/etc/cvmfs/repositories.d/" NAME "%s", directory, file);
}

static uint64_t limit_now(void)
{
	uint64_t limit;

	if (chunking_limit(&repository, &limit, NULL) < 0)
		abort();
	return limit;
}

static uint64_t limit_of(const char *text)
{
	AUTO_FREE char *path = config_path("/server.conf");
	FILE *file = fopen(path, "w");

	if (!file || fputs(text, file) < 0 || fclose(file))
		abort();
	return limit_now();
}

static void limit_is(const char *text, uint64_t want)
{
	uint64_t got = limit_of(text);
	AUTO_FREE char *title = ducc_printable(text);

	ok(got == want, "configuration: %s", title);
	if (got != want)
		printf("# %llu instead of %llu\n", (unsigned long long)got,
		       (unsigned long long)want);
}

#define USE "CVMFS_USE_FILE_CHUNKING=true\n"
#define MIN "CVMFS_MIN_CHUNK_SIZE="

static void configurations(void)
{
	AUTO_FREE char *path = config_path("/server.conf");
	uint64_t limit;

	ok(limit_now() == 4 * MB, "without a configuration, 4 MiB");
	limit_is("", CHUNKING_NEVER);
	limit_is(USE, 4 * MB);
	limit_is(USE MIN "65536\n", 65536);
	limit_is(MIN "65536\n" USE, 65536);
	limit_is(USE MIN "65536", 65536);
	limit_is(USE MIN "\"65536\"\n", 65536);
	limit_is(USE MIN "'65536'\n", 65536);
	limit_is(USE "\t " MIN "65536 # bytes\n", 65536);
	limit_is(MIN "65536\n", CHUNKING_NEVER);
	limit_is("CVMFS_USE_FILE_CHUNKING=false\n" MIN "65536\n", CHUNKING_NEVER);
	limit_is("CVMFS_USE_FILE_CHUNKING='true'\n" MIN "1\n", 1);
	limit_is("CVMFS_USE_FILE_CHUNKING=\n", CHUNKING_NEVER);
	/* The last one counts; what only looks like one does not. */
	limit_is(USE MIN "1\n" MIN "2\n", 2);
	limit_is(USE "CVMFS_USE_FILE_CHUNKING=false\n", CHUNKING_NEVER);
	limit_is("CVMFS_USE_FILE_CHUNKING=false\n" USE, 4 * MB);
	limit_is(USE MIN "3\n#" MIN "2\nX" MIN "5\nCVMFS_MIN_CHUNK_SIZES=7\n", 3);
	limit_is(USE "\n\n\n" MIN "3\n\n", 3);
	limit_is(USE MIN "\n", 4 * MB);
	limit_is(USE MIN "0\n", 4 * MB);
	limit_is(USE MIN "4M\n", 4 * MB);
	limit_is(USE MIN "many\n", 4 * MB);
	limit_is(USE MIN "65536\n", 65536);
	vanishing = true;
	ok(limit_now() == 65536, "one that is removed while it is read, to be replaced");
	vanishing = false;
	if (symlink("server.conf", path) < 0)
		abort();
	ok(chunking_limit(&repository, &limit, NULL) < 0,
	   "... one that cannot be read is another matter");
	ok(config_has_gateway(&repository, NULL) < 0, "... for gateways, too");
	unlink(path);
}

/* --- published files -------------------------------------------------- */

static const char *failing = ""; /* the attribute that cannot be read ... */
static int failing_with = EIO;   /* ... because of this errno value */

ssize_t lgetxattr(const char *path, const char *attribute_name, void *value, size_t size)
{
	if (strcmp(attribute_name, failing) != 0)
		return syscall(SYS_lgetxattr, path, attribute_name, value, size);
	errno = failing_with;
	return -1;
}

/* Gives the file that attribute; NULL: takes it away. */
static bool attribute(const char *attribute_name, const char *value)
{
	AUTO_FREE char *path = format("%s/file", directory);

	if (!value)
		return !removexattr(path, attribute_name) || errno == ENODATA;
	return !setxattr(path, attribute_name, value, strlen(value), 0);
}

static void kinds(void)
{
	AUTO_FREE char *link = format("%s/link", directory);

	attribute("user.chunks", NULL);
	ok(chunking_of(&repository, "file") == CHUNKING_UNKNOWN, "no attribute: unknown");
	ok(chunking_of(&repository, "none") == CHUNKING_UNKNOWN, "no file: unknown");
	attribute("user.chunks", "");
	ok(chunking_of(&repository, "file") == CHUNKING_UNKNOWN, "an empty one: unknown");
	attribute("user.chunks", "1");
	ok(chunking_of(&repository, "file") == CHUNKING_WHOLE, "one chunk: whole");
	attribute("user.chunks", "2");
	ok(chunking_of(&repository, "file") == CHUNKING_CHUNKS, "two: in chunks");
	attribute("user.chunks", "10");
	ok(chunking_of(&repository, "file") == CHUNKING_CHUNKS, "ten: in chunks");
	if (symlink("file", link) < 0)
		abort();
	ok(chunking_of(&repository, "link") == CHUNKING_UNKNOWN, "links are not followed");
	unlink(link);
}

/* What chunking_check() says about a file of `size` bytes: nothing, damage, or a failure. */
static void check(const char *path, uint64_t size, bool good, bool failure, const char *title)
{
	ducc_error *err = NULL;
	int result = chunking_check(&repository, path, size, &err);

	ok(good ? !result : result < 0 && error_is_failure(err) == failure, "%s", title);
	ducc_error_free(err);
}

static void checks(void)
{
	AUTO_FREE char *loop = format("%s/loop", directory);
	ducc_error *err = NULL;

	if (symlink("loop", loop) < 0)
		abort();
	attribute("user.chunks", "2");
	attribute("user.chunk_list", HEADING A ",0,1048576\n" B ",1048576,1\n");
	check("file", MB + 1, true, false, "chunks that add up");
	check("file", MB + 2, false, false, "others do not");
	check("loop/file", MB, false, true, "what cannot be looked at is a failure");
	check("loop/file", 1, true, false, "... but small files are not in chunks");
	ok(chunking_is_in_chunks(&repository, "loop/file", MB) < 0 && errno == ELOOP,
	   "... so it is not known whether it is in chunks");
	ok(chunking_is_in_chunks(&repository, "file", MB) == 1, "... unlike one that is");
	ok(!chunking_is_in_chunks(&repository, "none", MB), "... and one that is not there");
	ok(staging_is_there(&repository, "loop/file", MB) < 0 && errno == ELOOP,
	   "... nor whether it is there");
	ok(!staging_is_there(&repository, "none", MB), "... unlike one that is not");
	ok(!chunking_graft(&repository, "loop/file", MB, &err) && error_is_failure(err),
	   "... so it is when a graft is to be made");
	ducc_error_free(err);
	attribute("user.chunks", NULL);
	attribute("user.chunk_list", NULL);
	unlink(loop);
}

/* The graft of a file of `size` bytes with up to three pages of chunks; NULL: it has none. */
static void graft(const char *const pages[3], uint64_t size, const char *want, const char *title)
{
	static const char *const names[] = {"user.chunk_list", "user.chunk_list~1",
					    "user.chunk_list~2"};
	ducc_error *err = NULL;
	char *got;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!attribute(names[i], pages[i]))
			abort();
	got = chunking_graft(&repository, "file", size, &err);
	if (want) {
		is_string(got, want, title);
	} else {
		ok(!got, "refused: %s", title);
		says(&err, "file: CernVM-FS does not say", "... the file is named");
	}
	ducc_error_free(err);
	free(got);
}

static void graft_one(const char *page, uint64_t size, const char *want, const char *title)
{
	const char *const pages[3] = {page};

	graft(pages, size, want, title);
}

static void wholes(void)
{
	attribute("user.compression", NULL);
	graft_one(HEADING A ",0,100\n", 100, "size=100\nchecksum=" A "\n", "a whole file");
	graft_one(HEADING A ",0,100", 100, "size=100\nchecksum=" A "\n",
		  "without a newline at the end");
	graft_one(HEADING A "-shake128,0,100\n", 100, "size=100\nchecksum=" A "-shake128\n",
		  "another hash algorithm");
	graft_one(HEADING A ",0,5000000000\n", 5000000000, "size=5000000000\nchecksum=" A "\n",
		  "more than 4 GiB");
	attribute("user.compression", "none");
	graft_one(HEADING A ",0,100\n", 100, "size=100\ncompression=none\nchecksum=" A "\n",
		  "stored without compression");
	attribute("user.compression", "");
	graft_one(HEADING A ",0,100\n", 100, "size=100\nchecksum=" A "\n",
		  "it is not known how it is stored");
	attribute("user.compression", NULL);
}

/* If it cannot be read how the content is stored, the graft could be one of other content. */
static void unreadable(void)
{
	static const char *const attributes[] = {"user.compression", "user.chunk_list"};

	attribute("user.compression", "none");
	attribute("user.chunk_list", HEADING A ",0,100\n");
	for (size_t i = 0; i < ARRAY_LEN(attributes); i++) {
		ducc_error *err = NULL;
		AUTO_FREE char *got = NULL;

		failing = attributes[i];
		got = chunking_graft(&repository, "file", 100, &err);
		ok(!got && error_is_failure(err), "%s cannot be read: no graft", failing);
		ducc_error_free(err);
	}
	failing = "";
	attribute("user.compression", NULL);
}

/* The catalogs tell about a file that may not be read, if nothing is in chunks there. */
static void forbidden(void)
{
	AUTO_FREE char *in = format("%s/in", directory);
	static const char none[] = "catalog_mountpoint: \nchunked,0\nnested,3\n";
	static const char some[] = "catalog_mountpoint: /in\nchunked,10\nnested,0\n";
	/* As a client says of a catalog that it cannot load. */
	static const char error[] =
		"catalog_hash: " ZEROS "\ncatalog_mountpoint: error: failed to load catalog!\n"
		"chunked,0\nnested,0\n";

	if (mkdir(in, 0755) < 0)
		abort();
	failing = "user.chunks";
	failing_with = EACCES;
	ok(chunking_is_in_chunks(&repository, "in/file", MB) < 0 && errno == EACCES,
	   "a file that may not be read");
	if (setxattr(directory, "user.catalog_counters", none, strlen(none), 0) < 0)
		abort();
	ok(!chunking_is_in_chunks(&repository, "in/file", MB), "... nothing is in chunks");
	failing_with = EIO;
	ok(chunking_is_in_chunks(&repository, "in/file", MB) < 0 && errno == EIO,
	   "... which says nothing of one that cannot be read");
	failing_with = EACCES;
	if (setxattr(in, "user.catalog_counters", some, strlen(some), 0) < 0)
		abort();
	ok(chunking_is_in_chunks(&repository, "in/file", MB) < 0 && errno == EACCES,
	   "... something in its catalog is in chunks");
	if (setxattr(in, "user.catalog_counters", error, strlen(error), 0) < 0)
		abort();
	ok(!chunking_is_in_chunks(&repository, "in/file", MB),
	   "... its catalog cannot be loaded, but nothing is in chunks in those above");
	if (setxattr(directory, "user.catalog_counters", error, strlen(error), 0) < 0)
		abort();
	ok(chunking_is_in_chunks(&repository, "in/file", MB) < 0 && errno == EACCES,
	   "... no catalog can be loaded");
	failing = "";
	failing_with = EIO;
	removexattr(directory, "user.catalog_counters");
	rmdir(in);
}

static void chunks(void)
{
	static const char *const two_pages[3] = {HEADING A ",0,10\n" B ",10,5\n",
						 HEADING C ",15,85\n"};
	static const char *const three_pages[3] = {HEADING A ",0,10\n", HEADING B ",10,5\n",
						   HEADING C ",15,85\n"};
	static const char *const more_pages[3] = {HEADING A ",0,10\n" B ",10,90\n", "wrong"};
	static const char three[] = "size=100\nchecksum=" ZEROS "\nchunk_offsets=0,10,15\n"
				    "chunk_checksums=" A "," B "," C "\n";

	graft_one(HEADING A ",0,10\n" B ",10,5\n" C ",15,85\n", 100, three, "three chunks");
	graft(two_pages, 100, three, "... in two pages");
	graft(three_pages, 100, three, "... in three");
	graft_one(HEADING A "-shake128,0,10\n" B "-shake128,10,90\n", 100,
		  "size=100\nchecksum=" ZEROS "-shake128\nchunk_offsets=0,10\n"
		  "chunk_checksums=" A "-shake128," B "-shake128\n",
		  "another hash algorithm, which that of no checksum names, too");
	graft(more_pages, 100,
	      "size=100\nchecksum=" ZEROS "\nchunk_offsets=0,10\nchunk_checksums=" A "," B "\n",
	      "pages that are not needed are not read");
}

static void nonsense(void)
{
	static const char *const gap[3] = {HEADING A ",0,10\n", NULL, HEADING C ",10,90\n"};
	static const char *const again[3] = {HEADING A ",0,10\n", HEADING A ",0,10\n",
					     HEADING C ",10,90\n"};

	graft_one(NULL, 100, NULL, "no list");
	graft_one("", 100, NULL, "an empty one");
	graft_one(HEADING, 100, NULL, "a heading alone");
	graft_one(A ",0,100\n", 100, NULL, "no heading");
	graft_one(HEADING A ",0,100\n", 101, NULL, "too few bytes");
	graft_one(HEADING A ",0,100\n", 99, NULL, "too many bytes");
	graft_one(HEADING A ",0,100\n", 0, NULL, "an empty file");
	graft_one(HEADING A ",1,99\n", 100, NULL, "it begins late");
	graft_one(HEADING A ",0,10\n" B ",11,89\n", 100, NULL, "a gap");
	graft_one(HEADING B ",10,90\n" A ",0,10\n", 100, NULL, "another order");
	graft_one(HEADING A ",0,0\n" B ",0,100\n", 100, NULL, "an empty chunk");
	graft_one(HEADING A ",0\n", 100, NULL, "no size");
	graft_one(HEADING A "\n", 100, NULL, "a hash alone");
	graft_one(HEADING ",0,100\n", 100, NULL, "no hash");
	graft_one(HEADING "aaaa,0,100\n", 100, NULL, "a short hash");
	graft_one(HEADING "x" A ",0,100\n", 100, NULL, "something else");
	graft_one(HEADING A "=" A ",0,100\n", 100, NULL, "what would be another line of the graft");
	graft(gap, 100, NULL, "a page is missing");
	graft(again, 100, NULL, "a page is repeated");
}

/* Creates the directories of the configuration, or removes them. */
static void directories(bool create)
{
	static const char *const paths[] = {"etc", "etc/cvmfs", "etc/cvmfs/repositories.d",
					    "etc/cvmfs/repositories.d/" NAME};

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		AUTO_FREE char *path =
			format("%s/%s", directory, paths[create ? i : ARRAY_LEN(paths) - 1 - i]);

		if ((create ? mkdir(path, 0700) : rmdir(path)) < 0)
			abort();
	}
}

int main(void)
{
	AUTO_FREE char *file = NULL;
	FILE *created;

	if (!mkdtemp(directory))
		abort();
	setenv("DUCC_SYSROOT", directory, 1);
	directories(true);
	configurations();
	directories(false);
	file = format("%s/file", directory);
	created = fopen(file, "w");
	if (!created || fclose(created))
		abort();
	if (attribute("user.chunks", "1")) {
		kinds();
		checks();
		wholes();
		unreadable();
		forbidden();
		chunks();
		nonsense();
	} else {
		ok(true, "published files # SKIP no extended attributes in /tmp");
	}
	unlink(file);
	rmdir(directory);
	return done_testing();
}

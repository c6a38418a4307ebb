/* Content that a repository has already: which file is found, and what is made of it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/removal.h"
#include "content/extract.h"
#include "content/listing.h"
#include "format/repo_paths.h"
#include "repo/known.h"
#include "tap.h"

#define NAME "registry/a/b"

static char root_path[] = "/tmp/ducc-known.XXXXXX";
static int root = -1;
static bool links_fail;
static struct store store;

/* Instead of that of the C library. */
int linkat(int from, const char *from_name, int to, const char *to_name, int flags)
{
	AUTO_FREE char *path = format("/proc/self/fd/%d/%s", from, from_name);
	AUTO_FREE char *new = format("/proc/self/fd/%d/%s", to, to_name);

	(void)flags;
	if (!links_fail)
		return link(path, new);
	errno = EMLINK;
	return -1;
}

static struct digest digest_at(int i)
{
	return digest_of(&i, sizeof(i));
}

/* Adds a file to the tree of layer i. */
static struct file *add(struct tree *tree, int i, const char *name, const char *content,
			int64_t mtime)
{
	struct node *node = tree_add(tree, tree_root(tree), name, strlen(name));
	struct file *file = file_new(S_IFREG | 0644);
	struct digest layer = digest_at(i), sha256 = digest_of(content, strlen(content));

	file->mtime = mtime;
	file->size = strlen(content);
	digest_to_bytes(sha256.hex, file->sha256);
	file_set_origin(file, tree_intern(tree, &layer), name);
	node_set_file(node, file);
	return file;
}

static void write_text(const char *path, const char *text)
{
	AUTO_FREE char *parent = xstrndup(path, (size_t)(strrchr(path, '/') - path));

	if (path_mkdirs(root, parent) < 0)
		abort();
	AUTO_CLOSE int fd = path_open(root, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0 || write_all(fd, text, strlen(text)) < 0)
		abort();
}

/* Publishes layer i, with one file, as NAME:i; the higher i, the older. */
static void publish(int i, const char *name, const char *content, int64_t mtime)
{
	AUTO_TREE *tree = tree_new();
	struct listing_head head = {.layer = digest_at(i), .diff_id = digest_at(i)};
	AUTO_FREE char *label = format(NAME ":%d", i);
	AUTO_FREE char *listing = layer_listing(&head.layer),
		       *path = image_metadata(label, "manifest.json");
	AUTO_FREE char *file = layer_path(&head.layer, name), *text = NULL;
	AUTO_FREE char *manifest = format("{\"config\": {\"digest\": \"sha256:%s\"}, "
					  "\"layers\": [{\"digest\": \"sha256:%s\"}]}",
					  head.layer.hex, head.layer.hex);
	struct timespec times[2] = {{.tv_sec = 1700000000 - i}, {.tv_sec = 1700000000 - i}};
	size_t len;

	add(tree, i, name, content, mtime);
	tree_count_links(tree);
	if (listing_print(&head, tree, &text, &len, NULL) < 0)
		abort();
	write_text(listing, text);
	write_text(file, content);
	write_text(path, manifest);
	if (utimensat(root, path, times, 0) < 0)
		abort();
	times[0].tv_sec = times[1].tv_sec = mtime;
	if (utimensat(root, file, times, 0) < 0)
		abort();
}

/* The known file is that of layer i. */
static bool is_of(const struct file *file, int i, const char *path, bool same)
{
	struct digest layer = digest_at(i);

	return file->known && digest_equal(file->known->layer, &layer) &&
	       !strcmp(file->known->path, path) && file->known->same == same;
}

static void test_candidates(struct context *context, const struct repository *repository)
{
	struct known *known = known_new(context, &store, repository);
	AUTO_TREE *tree = tree_new(), *other = tree_new(), *third = tree_new();
	struct digest layer = digest_at(1000), second = digest_at(1001), last = digest_at(1002);
	struct file *exact = add(tree, 1000, "exact", "exact", 1),
		    *moved = add(tree, 1000, "moved", "exact", 1),
		    *time = add(tree, 1000, "time", "exact", 2),
		    *old = add(tree, 1000, "old", "old", 1),
		    *empty = add(tree, 1000, "empty", "", 1),
		    *twin = add(tree, 1000, "twin", "twin", 1),
		    *twins = add(tree, 1000, "twins", "twin", 1), *file;

	known_consider(known, NAME ":new");
	known_match(known, &layer, tree);
	ok(is_of(exact, 1, "exact", true), "the newest file with the same metadata and path");
	ok(is_of(moved, 1, "exact", true), "... the same metadata");
	ok(is_of(time, 2, "time", false), "... else the same path");
	ok(!old->known, "an image beyond the limit is not read");
	ok(!empty->known, "an empty file has no content to be known");
	ok(!twin->known && !twins->known, "files of the same layer are none");

	known_save(known);
	file = add(other, 1001, "twin", "twin", 1);
	known_match(known, &second, other);
	ok(is_of(file, 1000, "twin", true), "a layer that was added is one");
	add(third, 1002, "added", "added", 1);
	known_match(known, &last, third);
	known_restore(known);
	tree_remove_children(other, tree_root(other));
	file = add(other, 1001, "added", "added", 1);
	known_match(known, &second, other);
	ok(!file->known, "... unless it was dropped");
	known_free(known);
}

/* Extracts from an empty tar: everything must come from known files. */
static int find(void *ctx, const struct digest *layer, struct extract_source *source,
		ducc_error **err)
{
	AUTO_FREE char *path = layer_path(layer, "");
	const int *new = ctx;
	struct digest own = digest_at(*new);

	(void)err;
	source->how = digest_equal(layer, &own) ? EXTRACT_TAR : EXTRACT_LINK;
	source->fd = source->how == EXTRACT_TAR ? open("/dev/null", O_RDONLY | O_CLOEXEC)
						: path_open(root, path, O_RDONLY | O_DIRECTORY, 0);
	return 0;
}

static void test_links(struct context *context, const struct repository *repository)
{
	struct known *known = known_new(context, &store, repository);
	AUTO_TREE *tree = tree_new();
	int new = 2000;
	struct digest layer = digest_at(new), first = digest_at(1);
	AUTO_FREE char *path = layer_path(&first, "exact");
	struct file *file = add(tree, new, "exact", "exact", 1);
	struct extract_report report = {0};
	struct stat there, here = {0};
	ducc_error *err = NULL;
	int result;

	if (path_mkdirs(root, "to") < 0 || path_mkdirs(root, "to2") < 0)
		abort();
	AUTO_CLOSE int to = path_open(root, "to", O_RDONLY | O_DIRECTORY, 0);
	AUTO_CLOSE int to2 = path_open(root, "to2", O_RDONLY | O_DIRECTORY, 0);
	file->uid = getuid();
	file->gid = getgid();
	known_consider(known, NAME ":new");
	known_match(known, &layer, tree);
	tree_root(tree)->file = file_new(S_IFDIR | 0755);
	if (fstatat(root, path, &there, 0) < 0)
		abort();

	ok(!extract(to, tree, find, &new, 1, &report, &err), "extracted without a tar");
	ok(!fstatat(to, "exact", &here, 0) && here.st_ino == there.st_ino, "it is a hard link");
	ok(report.linked.files == 1 && report.linked.bytes == 5 && !report.sent.files,
	   "... and counted");

	links_fail = true;
	report = (struct extract_report){0};
	result = extract(to2, tree, find, &new, 1, &report, &err);
	links_fail = false;
	if (result < 0)
		says(&err, "exact: missing from its layer's tar",
		     "with too many links, the tar has it");
	else
		ok(!fstatat(to2, "exact", &here, 0) && here.st_ino != there.st_ino,
		   "with too many links, blocks are shared");
	known_free(known);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Layers of n files, all with the same content or each with its own. */
static double match_many(struct context *context, const struct repository *repository, int n,
			 bool equal)
{
	struct known *known = known_new(context, &store, repository);
	double seconds = 0;

	for (int i = 0; i < 2; i++) {
		struct digest layer = digest_at(3000 + i);
		AUTO_TREE *tree = tree_new();

		for (int k = 0; k < n; k++) {
			AUTO_FREE char *name = format("file-%d", k);

			add(tree, 3000 + i, name, equal ? "equal" : name, 1);
		}
		seconds -= now();
		known_match(known, &layer, tree);
		seconds += now();
	}
	known_free(known);
	return seconds;
}

int main(void)
{
	struct ducc_options options = {.size = sizeof(options)};
	struct repository repository = {.name = root_path, .path = root_path};
	struct context context;
	AUTO_CLOSE int parent = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (!mkdtemp(root_path))
		return 1;
	root = open(root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	store.fd = root;
	context_init(&context, &options);
	publish(1, "exact", "exact", 1);
	publish(2, "time", "exact", 1);
	publish(3, "exact", "exact", 1);
	for (int i = 4; i <= 20; i++)
		publish(i, "filler", "filler", 1);
	publish(21, "old", "old", 1);
	test_candidates(&context, &repository);
	test_links(&context, &repository);
	printf("# 100,000 files: %.3f s, all equal: %.3f s\n",
	       match_many(&context, &repository, 100000, false),
	       match_many(&context, &repository, 100000, true));
	ok(match_many(&context, &repository, 100000, true) < 30,
	   "files that are all equal take no time");
	context_destroy(&context);
	close(root);
	return path_remove(parent, strrchr(root_path, '/') + 1) < 0 || done_testing();
}

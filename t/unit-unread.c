/* What cannot be read in a repository is not missing, nor what new things are. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/removal.h"
#include "format/repo_paths.h"
#include "jobs/targets.h"
#include "podman/podman_layers.h"
#include "tap.h"

#define LAYER "1111111111111111111111111111111111111111111111111111111111111111"
#define DIFF_ID "2222222222222222222222222222222222222222222222222222222222222222"
#define AT ".layers/11/" LAYER
#define OVERLAY "podmanStore/overlay"

static char root_path[] = "/tmp/ducc-unread.XXXXXX";
static int root;
static const char *unread; /* to open this path is an I/O error */

/* The library opens everything beneath a repository with openat2(2), which has no wrapper. */
long syscall(long number, ...)
{
	va_list args;
	int directory;
	const char *path;
	const uint64_t *how; /* flags and mode */

	if (number == CALL_FCHMODAT2) {
		errno = ENOSYS;
		return -1;
	}
	if (number != SYS_openat2)
		abort();
	va_start(args, number);
	directory = va_arg(args, int);
	path = va_arg(args, const char *);
	how = va_arg(args, const uint64_t *);
	va_end(args);
	if (unread && !strcmp(path, unread)) {
		errno = EIO;
		return -1;
	}
	return openat(directory, path, (int)how[0], (mode_t)how[1]);
}

static void put(const char *path, const char *text)
{
	AUTO_FREE char *directory = xstrndup(path, (size_t)(strrchr(path, '/') - path));
	AUTO_CLOSE int fd = -1;

	path_mkdirs(root, directory);
	fd = path_open(root, path, O_WRONLY | O_CREAT, 0644);
	ok(fd >= 0 && !write_all(fd, text, strlen(text)), "write %s", path);
}

static void put_link(const char *path, const char *target)
{
	AUTO_FREE char *directory = xstrndup(path, (size_t)(strrchr(path, '/') - path));

	path_mkdirs(root, directory);
	ok(!symlinkat(target, root, path), "link %s", path);
}

/* A layer whose files are not where those of new ones are. */
static void test_layer_root(const struct repository *repository, const struct digest *layer)
{
	AUTO_FREE char *path = repository_layer_root(repository, layer);
	ducc_error *err = NULL;

	is_string(path, AT "/content", "the root of a layer");
	ok(repository_find_layer(repository, layer, NULL) == 1, "... which is published");
	unread = AT "/layerfs";
	free(path);
	path = repository_layer_root(repository, layer);
	ok(!path && errno == EIO, "... is unknown, if its link cannot be read");
	ok(repository_find_layer(repository, layer, &err) < 0, "... which is an error");
	says(&err, LAYER, "... that names it");
	ok(repository_open_layerfs(repository, layer) < 0 && errno == EIO, "... nor opened");
	unread = NULL;
}

/* What the original ducc has listed. */
static void test_podman(const struct repository *repository, const struct digest *layer)
{
	static const char *const files[] = {OVERLAY "/" DIFF_ID "/link", OVERLAY "/l/SHORT",
					    OVERLAY "/" DIFF_ID "/diff"};
	struct digest diff_id = {DIFF_ID};
	struct descriptor layers[] = {{.digest = *layer}};
	struct manifest manifest = {.layers = layers, .n = 1};
	struct config config = {.diff_ids = &diff_id, .n = 1};
	struct podman_image image = {.manifest = &manifest, .config = &config, .again = true};

	for (size_t i = 0; i <= ARRAY_LEN(files); i++) {
		struct podman *podman = podman_read(repository, NULL);
		bool all = i == ARRAY_LEN(files);

		ok(podman != NULL, "Podman's lists");
		if (!podman)
			return;
		unread = all ? NULL : files[i];
		ok(podman_has_layers(podman, &image, DIFF_ID) == all && !podman->error == all,
		   "Podman's layers: %s", all ? "all is there" : files[i]);
		unread = NULL;
		podman_free(podman);
	}
}

int main(void)
{
	struct digest layer = {LAYER};
	struct repository repository = {NULL};
	AUTO_CLOSE int parent = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ducc_error *err = NULL;

	if (!mkdtemp(root_path))
		return 1;
	root = open(root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put(AT "/content/file", "data");
	put_link(AT "/layerfs", "content");
	put(AT "/.metadata/layer.mtree", "#mtree\n");
	put(OVERLAY "/" DIFF_ID "/link", "SHORT");
	put_link(OVERLAY "/" DIFF_ID "/diff", "../../../" AT "/layerfs");
	put_link(OVERLAY "/l/SHORT", "../" DIFF_ID "/diff");
	put("podmanStore/overlay-images/images.json",
	    "[{\"id\":\"" LAYER "\",\"layer\":\"" DIFF_ID "\"}]");
	put("podmanStore/overlay-layers/layers.json",
	    "[{\"id\":\"" DIFF_ID "\",\"diff-digest\":\"sha256:" DIFF_ID "\"}]");
	ok(targets_open(&repository, root_path, root_path, &err) > 0, "a repository");
	test_layer_root(&repository, &layer);
	test_podman(&repository, &layer);
	repository_close(&repository);
	close(root);
	return path_remove(parent, strrchr(root_path, '/') + 1) < 0 || done_testing();
}

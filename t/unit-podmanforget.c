/* Removing an image from Podman's lists, with the layers that no other image has. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/removal.h"
#include "format/repo_paths.h"
#include "jobs/targets.h"
#include "podman/podman_list.h"
#include "podman/podman_remove.h"
#include "tap.h"

static bool goes(void *ctx, const char *name)
{
	(void)ctx;
	return !strcmp(name, "localhost/goes:1");
}

static bool no_config(void *ctx, const char *id)
{
	(void)ctx;
	(void)id;
	return false;
}

/* 64 times the letter: an ID. */
static char *id_of(char letter)
{
	char *id = xmalloc(DIGEST_HEX_LEN + 1);

	memset(id, letter, DIGEST_HEX_LEN);
	id[DIGEST_HEX_LEN] = '\0';
	return id;
}

static bool write_list(int root, const char *path, const char *text)
{
	AUTO_FREE char *directory = xstrndup(path, (size_t)(strrchr(path, '/') - path));
	int made = path_mkdirs(root, directory);
	AUTO_CLOSE int fd = path_open(root, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	return !made && fd >= 0 && !write_all(fd, text, strlen(text));
}

/* Layers as "ab bc": one on another, each pair an entry; '-' is none. */
static bool write_layers(int root, const char *pairs)
{
	AUTO_BUFFER json = {0};

	for (const char *pair = pairs; *pair; pair += 2 + (pair[2] == ' ')) {
		AUTO_FREE char *id = id_of(pair[0]), *parent = id_of(pair[1]);

		buffer_addf(&json, "%s{\"id\":\"%s\"", json.len ? ",\n" : "[", id);
		if (pair[1] != '-')
			buffer_addf(&json, ",\"parent\":\"%s\"", parent);
		buffer_adds(&json, "}");
	}
	buffer_adds(&json, "]");
	return write_list(root, PODMAN_LAYERS, json.data);
}

/* The first letters of the IDs that are listed now. */
static char *layers_left(const struct repository *repository)
{
	struct buffer letters = {0};
	AUTO_JSON *list = podman_list_read(repository, PODMAN_LAYERS, NULL);
	const cJSON *entry;

	cJSON_ArrayForEach(entry, list) buffer_add(&letters, podman_list_text(entry, "id"), 1);
	return buffer_steal(&letters);
}

/* Forgets the image on layer a; the one on layer 5 stays. */
static void forget(const char *pairs, const char *want, const char *title)
{
	static const struct podman_gone gone = {.name = goes, .config = no_config};
	char directory[] = "/tmp/unit-podmanforget.XXXXXX";
	AUTO_FREE char *name = mkdtemp(directory) ? format("%s/repo", directory) : NULL;
	AUTO_FREE char *store_name = format("%s/store", directory);
	AUTO_FREE char *a = id_of('a'), *five = id_of('5'), *image = id_of('1'),
		       *other = id_of('2');
	AUTO_FREE char *images = NULL, *left = NULL;
	struct context context;
	struct transaction *transaction = NULL;
	struct repository repository = {NULL};
	struct store store = {.fd = -1};
	ducc_error *err = NULL;
	bool done = false;

	images = format("[{\"id\":\"%s\",\"layer\":\"%s\",\"names\":[\"localhost/goes:1\"],"
			"\"big-data-names\":[]},\n"
			"{\"id\":\"%s\",\"layer\":\"%s\",\"names\":[\"localhost/stays:1\"]}]",
			image, a, other, five);
	context_init(&context, &(struct ducc_options){.notice = NULL});
	if (!name || path_mkdirs_named(name, 0755, &err) < 0)
		abort();
	AUTO_CLOSE int root = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!path_mkdirs(root, REPO_METADATA) && write_list(root, PODMAN_IMAGES, images) &&
	    write_layers(root, pairs) && !store_open(&store, store_name, &err) &&
	    targets_open(&repository, name, store_name, &err) >= 0)
		transaction = transaction_begin(&context, &store, &repository, &err);
	if (transaction)
		done = !podman_remove(&gone, transaction, &err) &&
		       !transaction_open(transaction, NULL, NULL, &err) &&
		       !transaction_commit(transaction, &err);
	transaction_end(transaction);
	if (!done)
		printf("# %s\n", err ? ducc_error_message(err) : "not done");
	ducc_error_free(err);
	left = layers_left(&repository);
	is_string(left, want, title);
	repository_close(&repository);
	store_close(&store);
	context_destroy(&context);
	AUTO_CLOSE int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	path_remove(tmp, directory + strlen("/tmp/"));
}

int main(void)
{
	forget("c- bc ab 4- 54", "45", "the layers of an image go, those of others stay");
	forget("ab bc c- 54 4-", "54", "... in whatever order they are listed");
	forget("c- bc ab 5c", "c5", "a layer that another image has stays");
	forget("ab bc ca 5-", "5", "a circle has an end");
	forget("ab b- ac cd d- 5-", "5",
	       "a layer that is listed twice lies on each of its parents");
	forget("ab b- ac 5d dc c-", "5dc", "... of which one may stay");
	forget("54 43 3a a4 ab b-", "543aab", "a circle that another image is in stays");
	forget("aa 55", "5", "a layer that lies on itself goes as any other");
	return done_testing();
}

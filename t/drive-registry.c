/*
 * Calls the functions of registry.h that no tool offers alone:
 *
 *	drive-registry tags REFERENCE
 *	drive-registry has REFERENCE DIGEST
 *	drive-registry put REFERENCE FILE [MOUNT-FROM]
 *	drive-registry manifest REFERENCE NAME MEDIA-TYPE FILE
 *
 * $DRIVE_USER and $DRIVE_PASSWORD are credentials that go before others.
 */
#include <fcntl.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/path.h"
#include "net/network.h"

static int tags(struct registry *registry, struct http *http, ducc_error **err)
{
	AUTO_STRSET list = {NULL};

	if (registry_list_tags(registry, http, &list, err) < 0)
		return -1;
	for (size_t i = 0; i < list.n; i++)
		puts(list.list[i]);
	return 0;
}

static int has(struct registry *registry, struct http *http, const char *text, ducc_error **err)
{
	struct digest digest;
	int has;

	if (!digest_parse(&digest, text))
		return error_set(err, "not a digest: %s", text);
	has = registry_has_blob(registry, http, &digest, err);
	if (has >= 0)
		puts(has ? "yes" : "no");
	return has < 0 ? -1 : 0;
}

static int read_named(const char *path, char **data, size_t *len, ducc_error **err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? error_set(err, "%s", path) : read_file(fd, SIZE_MAX / 2, data, len, err);
}

static int put(struct registry *registry, struct http *http, char **arguments, ducc_error **err)
{
	AUTO_FREE char *data = NULL;
	struct digest digest;
	size_t len;

	if (read_named(arguments[0], &data, &len, err) < 0)
		return -1;
	digest = digest_of(data, len);
	return registry_put_blob(registry, http, data, len, &digest, arguments[1], err);
}

static int manifest(struct registry *registry, struct http *http, char **arguments,
		    ducc_error **err)
{
	AUTO_FREE char *data = NULL;
	size_t len;

	if (read_named(arguments[2], &data, &len, err) < 0)
		return -1;
	return registry_put_manifest(registry, http, arguments[0], arguments[1], data, len, err);
}

static int run(struct registry *registry, struct http *http, int argc, char **argv,
	       ducc_error **err)
{
	if (argc == 3 && !strcmp(argv[1], "tags"))
		return tags(registry, http, err);
	if (argc == 4 && !strcmp(argv[1], "has"))
		return has(registry, http, argv[3], err);
	if (argc >= 4 && !strcmp(argv[1], "put"))
		return put(registry, http, argv + 3, err);
	if (argc == 6 && !strcmp(argv[1], "manifest"))
		return manifest(registry, http, argv + 3, err);
	return error_set(err, "wrong usage");
}

int main(int argc, char **argv)
{
	AUTO_REFERENCE reference = {0};
	struct context context;
	struct network *network;
	struct registry *registry = NULL;
	struct http *http;
	ducc_error *err = NULL;
	struct login login = {.push = argc > 1 && strcmp(argv[1], "tags") != 0,
			      .user = getenv("DRIVE_USER"),
			      .password = getenv("DRIVE_PASSWORD")};
	int result = -1;

	context_init(&context, &(struct ducc_options){.notice = NULL});
	network = network_new(&context);
	http = network_take(network);
	if (argc > 2 && !reference_parse(&reference, argv[2], &err))
		registry = network_registry(network, &reference, &login, &err);
	if (registry)
		result = run(registry, http, argc, argv, &err);
	if (result < 0)
		fprintf(stderr, "%s\n", err ? ducc_error_message(err) : "wrong usage");
	ducc_error_free(err);
	network_give(network, http);
	network_free(network);
	context_destroy(&context);
	return result < 0 ? 1 : 0;
}

/* The newest revision: see newest.h. */
#include "cvmfs/newest.h"

#include <sys/xattr.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "cvmfs/config.h"
#include "net/http.h"

#define MANIFEST ".cvmfspublished"
#define LIMIT ((size_t)64 << 10)

char *newest_mounted(const struct repository *repository)
{
	char value[256];
	ssize_t n = repository->path
			    ? getxattr(repository->path, "user.root_hash", value, sizeof(value))
			    : -1;

	return n < 0 ? NULL : xstrndup(value, (size_t)n);
}

unsigned long long newest_number(const struct repository *repository)
{
	char value[32];
	ssize_t n = getxattr(repository->path, "user.revision", value, sizeof(value) - 1);

	value[n > 0 ? n : 0] = '\0';
	return strtoull(value, NULL, 10);
}

/*
 * The value of the line that begins with `C', before the signature, which "--" begins; NULL without
 * either: part of a hash would be that of many catalogs.
 */
static char *parse_manifest(const char *text)
{
	const char *hash = NULL;

	while (text && strncmp(text, "--", 2) != 0) {
		if (*text == 'C')
			hash = text + 1;
		text = strchr(text, '\n');
		text += text != NULL;
	}
	return text && hash && *hash != '\n' ? xstrndup(hash, strcspn(hash, "\n")) : NULL;
}

/* The hash of the newest root catalog, which the caller frees; NULL with *err set. */
static char *read_newest(struct context *context, const char *url, ducc_error **err)
{
	struct http_request request = {.url = url, .limit = LIMIT};
	struct http_response response = {.status = 0};
	struct http *http = http_new(context);
	char *revision = NULL;

	if (!http_perform(http, &request, &response, NULL, err)) {
		if (response.status == 200)
			revision = parse_manifest(response.body.data);
		else
			http_status_error(&response, err);
		if (response.status == 200 && !revision)
			error_set(err, "no manifest of CernVM-FS");
	}
	if (!revision)
		error_wrap(err, "%s", url);
	http_response_free(&response);
	http_free(http);
	return revision;
}

int newest_is_mounted(struct context *context, const struct repository *repository,
		      ducc_error **err)
{
	AUTO_FREE char *server = NULL, *url = NULL, *mounted = NULL, *newest = NULL;

	if (!repository->shared || repository->metadata_only)
		return 1;
	server = config_value(repository, "CVMFS_STRATUM0");
	mounted = newest_mounted(repository);
	if (!server || !mounted)
		return 1;
	url = format("%s/" MANIFEST, server);
	newest = read_newest(context, url, err);
	return newest ? !strncmp(newest, mounted, strlen(newest)) : -1;
}

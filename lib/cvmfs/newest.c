/* The newest revision: see newest.h. */
#include "cvmfs/newest.h"

#include <errno.h>
#include <sys/xattr.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "cvmfs/config.h"
#include "net/http.h"

#define MANIFEST ".cvmfspublished"
#define LIMIT ((size_t)64 << 10)

int newest_mounted(const struct repository *repository, char **hash, ducc_error **err)
{
	static const char name[] = "user.root_hash";
	char value[256];
	ssize_t n = repository->path ? getxattr(repository->path, name, value, sizeof(value)) : 0;

	*hash = n > 0 ? xstrndup(value, (size_t)n) : NULL;
	if (n < 0 && errno != ENODATA && errno != ENOTSUP)
		return error_errno(err, errno, "%s: %s", repository->path, name);
	return *hash != NULL;
}

unsigned long long newest_number(const struct repository *repository)
{
	char value[32];
	ssize_t n = getxattr(repository->path, "user.revision", value, sizeof(value) - 1);

	value[n > 0 ? n : 0] = '\0';
	return strtoull(value, NULL, 10);
}

/*
 * The value of the line that begins with the letter, before the signature, which "--" begins; the
 * caller frees it.  NULL without either: part of a hash would be that of many catalogs.
 */
static char *parse_manifest(const char *text, char letter)
{
	const char *value = NULL;

	while (text && strncmp(text, "--", 2) != 0) {
		if (*text == letter)
			value = text + 1;
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return text && value && *value != '\n' ? xstrndup(value, strcspn(value, "\n")) : NULL;
}

/* The manifest at this URL, as text, which the caller frees; NULL with *err set. */
static char *read_manifest(struct context *context, const char *url, ducc_error **err)
{
	struct http_request request = {.url = url, .limit = LIMIT, .cache_control = "no-cache"};
	struct http_response response = {.status = 0};
	struct http *http = http_new(context);
	char *manifest = NULL;

	if (!http_perform(http, &request, &response, NULL, err)) {
		if (response.status == 200)
			manifest = xstrdup(response.body.data ? response.body.data : "");
		else
			http_status_error(&response, err);
	}
	http_response_free(&response);
	http_free(http);
	return manifest;
}

int newest_published(struct context *context, const struct repository *repository, char **hash,
		     unsigned long long *number, ducc_error **err)
{
	AUTO_FREE char *server = NULL, *url = NULL, *manifest = NULL, *revision = NULL;
	int result = config_value(repository, "CVMFS_STRATUM0", &server, err);

	*hash = NULL;
	if (result <= 0)
		return result;
	url = format("%s/" MANIFEST, server);
	manifest = read_manifest(context, url, err);
	*hash = manifest ? parse_manifest(manifest, 'C') : NULL;
	if (!*hash)
		return manifest ? error_set(err, "%s: no manifest of CernVM-FS", url)
				: error_wrap(err, "%s", url);
	revision = parse_manifest(manifest, 'S');
	*number = revision ? strtoull(revision, NULL, 10) : 0;
	return 1;
}

int newest_is_mounted(struct context *context, const struct repository *repository,
		      ducc_error **err)
{
	AUTO_FREE char *mounted = NULL, *newest = NULL;
	unsigned long long number;
	int result;

	if (!repository->shared || repository->metadata_only)
		return 1;
	result = newest_mounted(repository, &mounted, err);
	if (result > 0)
		result = newest_published(context, repository, &newest, &number, err);
	if (result <= 0)
		return result < 0 ? -1 : 1;
	return !strncmp(newest, mounted, strlen(newest));
}

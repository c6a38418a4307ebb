/* The newest revision: see newest.h. */
#include "cvmfs/newest.h"

#include "base/buffer.h"
#include "base/mem.h"
#include "cvmfs/config.h"
#include "net/http.h"

#define MANIFEST ".cvmfspublished"
#define LIMIT ((size_t)64 << 10)

/* The value of the line that begins with `C', before the signature, which "--" begins. */
static char *parse_manifest(const char *text)
{
	while (text && strncmp(text, "--", 2) != 0) {
		if (*text == 'C')
			return xstrndup(text + 1, strcspn(text + 1, "\n"));
		text = strchr(text, '\n');
		text += text != NULL;
	}
	return NULL;
}

char *newest_revision(struct context *context, const struct repository *repository)
{
	AUTO_FREE char *server = config_value(repository, "CVMFS_STRATUM0");
	AUTO_FREE char *url = server ? format("%s/" MANIFEST, server) : NULL;
	struct http_request request = {.url = url, .limit = LIMIT};
	struct http_response response = {.status = 0};
	struct http *http;
	ducc_error *err = NULL;
	char *revision = NULL;

	if (!url)
		return NULL;
	http = http_new(context);
	if (!http_perform(http, &request, &response, NULL, &err) && response.status == 200)
		revision = parse_manifest(response.body.data);
	else if (!err)
		http_status_error(&response, &err);
	if (err)
		context_notice(context, DUCC_WARNING,
			       "%s: changes of other machines may be missed: %s: %s",
			       repository->name, url, ducc_error_message(err));
	ducc_error_free(err);
	http_response_free(&response);
	http_free(http);
	return revision;
}

/* Responses of HTTP servers: see http_response.h. */
#include "net/http_response.h"

#include <inttypes.h>

#include "base/mem.h"
#include "base/text.h"
#include "format/json.h"
#include "format/url.h"
#include "net/link.h"

/* --- headers ---------------------------------------------------------- */

void http_response_reset(struct http_response *response)
{
	char **headers[] = {&response->url,        &response->content_type,  &response->challenge,
			    &response->digest,     &response->location,      &response->next,
			    &response->rate_limit, &response->rate_remaining};

	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		free(*headers[i]);
		*headers[i] = NULL;
	}
	response->status = 0;
	response->received = response->retry_after = 0;
	response->has_length = response->has_end = response->wrong_range = response->bad_link =
		false;
	buffer_reset(&response->body);
}

static char *copy_header(struct libcurl *libcurl, const char *name)
{
	const char *value = libcurl_last_header(libcurl, name);

	return value ? xstrdup(value) : NULL;
}

/*
 * The values of a repeated header, joined (RFC 9110, section 5.3); NULL if it is
 * missing.  libcurl limits the size of all headers together.
 */
static char *join_headers(struct libcurl *libcurl, const char *name)
{
	const char *value;
	struct buffer values = {0};

	for (size_t i = 0; (value = libcurl_header(libcurl, name, i)); i++)
		buffer_addf(&values, "%s%s", values.len ? ", " : "", value);
	return values.data ? buffer_steal(&values) : NULL;
}

static void read_link(struct libcurl *libcurl, const char *url, struct http_response *response)
{
	AUTO_FREE char *links = join_headers(libcurl, "Link"), *target = NULL;
	int found = links ? link_next(links, &target) : 0;

	response->next = found > 0 ? url_resolve(url, target) : NULL;
	response->bad_link = found < 0 || (found && !response->next);
}

/* True if the body is in chunks or, from HTTP/2 on, in frames: libcurl reports one that is cut off. */
static bool marks_end(struct libcurl *libcurl)
{
	const char *coding = libcurl_last_header(libcurl, "Transfer-Encoding");
	long version = 0;

	curl_easy_getinfo(libcurl->handle, CURLINFO_HTTP_VERSION, &version);
	return version > CURL_HTTP_VERSION_1_1 || (coding && strcasestr(coding, "chunked"));
}

static void read_headers(struct libcurl *libcurl, const char *url, struct http_response *response)
{
	const char *location = libcurl_last_header(libcurl, "Location");

	response->url = xstrdup(url);
	response->content_type = copy_header(libcurl, "Content-Type");
	response->digest = copy_header(libcurl, "Docker-Content-Digest");
	response->rate_limit = copy_header(libcurl, "RateLimit-Limit");
	response->rate_remaining = copy_header(libcurl, "RateLimit-Remaining");
	response->has_length = libcurl_header(libcurl, "Content-Length", 0);
	response->has_end = response->has_length || marks_end(libcurl);
	response->location = location ? url_resolve(url, location) : NULL;
	read_link(libcurl, url, response);
	response->challenge = join_headers(libcurl, "WWW-Authenticate");
}

void http_response_read(struct http_response *response, struct libcurl *libcurl, const char *url)
{
	CURL *curl = libcurl->handle;
	curl_off_t retry_after = 0;

	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &response->status);
	if (!curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retry_after) && retry_after > 0)
		response->retry_after = (uint64_t)retry_after;
	read_headers(libcurl, url, response);
}

void http_response_free(struct http_response *response)
{
	http_response_reset(response);
	buffer_free(&response->body);
}

/* --- statuses --------------------------------------------------------- */

bool http_status_is_transient(long status)
{
	/* Not implemented, no such version, log in to the network: that stays so. */
	if (status == 501 || status == 505 || status == 511)
		return false;
	return status == 408 || status == 425 || status == 429 || status / 100 == 5;
}

const char *http_status_text(long status)
{
	switch (status) {
	case 401:
	case 407:
		return ", authentication required";
	case 403:
		return ", access denied";
	case 404:
		return ", not found";
	case 301:
	case 302:
	case 303:
	case 307:
	case 308:
		return ", a redirect to nowhere";
	case 429:
		return ", too many requests";
	default:
		return "";
	}
}

/* The first message of an error body in the format of the OCI distribution specification. */
static char *registry_message(const struct buffer *body)
{
	AUTO_JSON *json = body->len ? json_parse(body->data, body->len, "error", NULL) : NULL;
	const cJSON *errors = json_member(json, "errors");
	const cJSON *first = cJSON_GetArrayItem(errors, 0);
	const char *text = json_text(first, "message");

	return text ? xstrndup(text, 200) : NULL;
}

/*
 * A 404 means that content does not exist only if a registry says so, in its format of errors: any
 * web server that has taken its address sends one.
 */
static enum ducc_error_kind status_kind(long status, bool by_registry)
{
	switch (status) {
	case 401:
	case 403:
	case 407:
		return DUCC_DENIED;
	case 404:
	case 410:
		return by_registry ? DUCC_NOT_FOUND : DUCC_OTHER;
	default:
		return http_status_is_transient(status) ? DUCC_TRANSIENT : DUCC_OTHER;
	}
}

/* True for an answer to a plain HTTP request by a server that uses TLS (nginx, Go, Apache). */
static bool requires_tls(const struct http_response *response)
{
	const char *body = response->body.len ? response->body.data : "";

	return response->status == 400 &&
	       (strcasestr(body, "to an HTTPS server") || strcasestr(body, "to HTTPS port") ||
		strcasestr(body, "to an SSL-enabled server port"));
}

int http_status_error(const struct http_response *response, ducc_error **err)
{
	AUTO_FREE char *message = registry_message(&response->body);
	AUTO_BUFFER text = {0};

	buffer_addf(&text, "the %s answered %ld%s", response->status == 407 ? "proxy" : "server",
		    response->status, http_status_text(response->status));
	if (requires_tls(response))
		buffer_adds(&text, ", the server uses TLS: write https://");
	if (message && !strcasestr(http_status_text(response->status), message))
		buffer_addf(&text, ": %s", message);
	if (response->status == 429 && response->rate_limit)
		buffer_addf(&text, " (limit %s, remaining %s)", response->rate_limit,
			    response->rate_remaining ? response->rate_remaining : "unknown");
	if (response->retry_after)
		buffer_addf(&text, "; try again in %" PRIu64 " second%s", response->retry_after,
			    text_plural(response->retry_after));
	error_set(err, "%s", text.data);
	return error_kind(err, status_kind(response->status, message != NULL));
}

int http_refuse_page(const struct http_response *response, ducc_error **err)
{
	const char *body = response->body.len ? response->body.data : "";
	AUTO_FREE char *url = NULL;

	if (body[strspn(body, "\xef\xbb\xbf \t\r\n")] != '<')
		return 0;
	url = url_hide_own_secrets(response->url);
	return error_set(err, "this is not a registry: a web page answered, %s (%s)", url,
			 response->content_type ? response->content_type : "of no type");
}

int http_require_whole(const struct http_response *response, ducc_error **err)
{
	if (response->status != 200)
		return error_set(err, "the server answered %ld, not with the whole document",
				 response->status);
	return response->has_end ? 0
				 : error_set(err, "the server does not mark the end of the "
						  "document, which may be cut off: it has to send "
						  "Content-Length, or chunks");
}

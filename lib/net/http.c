/* HTTP requests over libcurl: see http.h. */
#include "net/http.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <strings.h>

#include "base/mem.h"
#include "format/url.h"
#include "net/http_error.h"
#include "net/http_trace.h"
#include "net/inflate.h"
#include "net/libcurl.h"
#include "net/tls.h"

#define CONNECT_TIMEOUT 30L /* seconds */
#define STALL_SPEED 1024L   /* bytes per second; a slower transfer counts as stalled ... */
#define STALL_TIME 60L      /* ... after this many seconds, or $DUCC_TIMEOUT */
#define MAX_REDIRECTS 10
#define TRANSFER_BUFFER (256L << 10) /* the most bytes that libcurl delivers at a time */
#define ERROR_BODY_LIMIT 16384

struct http {
	struct libcurl libcurl;
	long stall_time;
	struct context *context;
	char *system; /* the file with the system's certificate authorities, or NULL */
	char *host;   /* the host that `tls` applies to, or NULL */
	struct tls tls;
};

struct transfer {
	struct http *http;
	const struct http_request *request;
	struct http_response *response;
	const char *url;   /* of the request, or of its redirect */
	bool ours;         /* the URL is of the origin of the request, and was chosen there */
	bool begun;        /* the body has begun */
	bool enough;       /* the rest of the body is not needed */
	ducc_error *error; /* from the sink */
};

static void global_init(void)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		out_of_memory();
}

/* The file of the system's certificate authorities: $SSL_CERT_FILE, as in other tools. */
static char *system_authorities(void)
{
	const char *path = getenv("SSL_CERT_FILE");

	if (!path || !*path)
		path = curl_version_info(CURLVERSION_NOW)->cainfo;
	return path ? xstrdup(path) : NULL;
}

long http_stall_time(void)
{
	const char *timeout = getenv("DUCC_TIMEOUT");
	long seconds = timeout ? atol(timeout) : 0;

	return seconds < 1 || seconds > 86400 ? STALL_TIME : seconds;
}

struct http *http_new(struct context *context)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct http *http = xcalloc(1, sizeof(*http));

	pthread_once(&once, global_init);
	http->context = context;
	libcurl_init(&http->libcurl);
	http->stall_time = http_stall_time();
	http->system = system_authorities();
	return http;
}

void http_free(struct http *http)
{
	if (!http)
		return;
	libcurl_free(&http->libcurl);
	tls_free(&http->tls);
	free(http->system);
	free(http->host);
	free(http);
}

struct context *http_context(const struct http *http)
{
	return http->context;
}

unsigned http_deadline(const struct http *http)
{
	return 10 * (unsigned)http->stall_time;
}

/* --- tracing ------------------------------------------------------------ */

/* Receives the headers of request and response, line by line. */
static int on_debug(CURL *curl, curl_infotype type, char *data, size_t len, void *ctx)
{
	struct http *http = ctx;
	const char *mark = type == CURLINFO_HEADER_OUT ? "> " : "< ";

	(void)curl;
	if (type != CURLINFO_HEADER_OUT && type != CURLINFO_HEADER_IN)
		return 0;
	while (len) {
		const char *newline = memchr(data, '\n', len);
		size_t n = newline ? (size_t)(newline - data) + 1 : len;
		AUTO_FREE char *line = http_trace_line(data, n);

		if (line)
			context_notice(http->context, DUCC_DEBUG, "%s%s", mark, line);
		data += n;
		len -= n;
	}
	return 0;
}

static int on_progress(void *ctx, curl_off_t down, curl_off_t downloaded, curl_off_t up,
		       curl_off_t uploaded)
{
	const struct http *http = ctx;

	(void)down, (void)downloaded, (void)up, (void)uploaded;
	return context_cancelled(http->context) ? 1 : 0;
}

/* --- bodies ----------------------------------------------------------- */

/* True if a 206 response begins at the requested offset. */
static bool begins_at(struct libcurl *libcurl, uint64_t offset)
{
	const char *range = libcurl_last_header(libcurl, "Content-Range");
	char *end;

	if (!range || strncasecmp(range, "bytes ", 6) != 0)
		return false;
	errno = 0;
	return strtoull(range + 6, &end, 10) == offset && *end == '-' && !errno;
}

/* Checks, before the first bytes of a body, that they belong at the sink's position. */
static int begin_body(struct transfer *transfer, long status)
{
	const struct http_request *request = transfer->request;
	curl_off_t length = -1;
	uint64_t offset;

	transfer->begun = true;
	if (status == 206 && !begins_at(&transfer->http->libcurl, request->offset)) {
		transfer->response->wrong_range = true;
		return error_set(&transfer->error, "server sent the wrong byte range");
	}
	offset = status == 206 ? request->offset : 0;
	curl_easy_getinfo(transfer->http->libcurl.handle, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T,
			  &length);
	if (length >= 0 && request->size && offset + (uint64_t)length != request->size)
		return error_set_kind(&transfer->error, DUCC_CORRUPT,
				      "size mismatch: %" PRIu64 " bytes instead of %" PRIu64,
				      offset + (uint64_t)length, request->size);
	if (status == 200 && request->offset)
		return request->restart(request->ctx, &transfer->error);
	return 0;
}

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
	struct transfer *transfer = ctx;
	struct http_response *response = transfer->response;
	const struct http_request *request = transfer->request;
	size_t len = size * n;
	long status = 0;

	curl_easy_getinfo(transfer->http->libcurl.handle, CURLINFO_RESPONSE_CODE, &status);
	response->received += len;
	if (status != 200 && status != 206) {
		transfer->enough = response->received > ERROR_BODY_LIMIT;
		if (transfer->enough)
			return 0;
		buffer_add(&response->body, data, len);
		return len;
	}
	if (!transfer->begun && begin_body(transfer, status) < 0)
		return 0;
	if (request->sink)
		return request->sink(request->ctx, data, len, &transfer->error) ? 0 : len;
	if (len > request->limit - response->body.len) {
		error_set(&transfer->error, "response of more than %zu bytes", request->limit);
		return 0;
	}
	buffer_add(&response->body, data, len);
	return len;
}

/* --- the request ------------------------------------------------------ */

static void set_body(CURL *curl, const struct http_request *request)
{
	const char *method = request->method ? request->method : "GET";

	curl_easy_setopt(curl, CURLOPT_NOBODY, !strcmp(method, "HEAD") ? 1L : 0L);
	if (!strcmp(method, "GET") || !strcmp(method, "HEAD"))
		return;
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->len);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->data ? request->data : "");
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
}

static int set_tls(struct transfer *transfer, ducc_error **err)
{
	struct http *http = transfer->http;
	CURL *curl = http->libcurl.handle;
	AUTO_FREE char *authority = url_authority(transfer->url);

	if (authority && (!http->host || strcmp(http->host, authority) != 0)) {
		tls_free(&http->tls);
		free(STEAL(http->host));
		if (tls_find(&http->tls, authority, http->system, err) < 0)
			return -1;
		http->host = STEAL(authority);
	}
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (http->system) {
		curl_easy_setopt(curl, CURLOPT_CAINFO, http->system);
		curl_easy_setopt(curl, CURLOPT_PROXY_CAINFO, http->system);
	}
	if (http->tls.authorities.len)
		libcurl_trust(&http->libcurl, &http->tls.authorities);
	if (http->tls.certificate) {
		curl_easy_setopt(curl, CURLOPT_SSLCERT, http->tls.certificate);
		curl_easy_setopt(curl, CURLOPT_SSLKEY, http->tls.key);
	}
	if (transfer->request->insecure && transfer->ours) {
		curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	return 0;
}

static void set_options(CURL *curl, const struct http_request *request, struct curl_slist *headers,
			struct transfer *transfer)
{
	struct http *http = transfer->http;
	AUTO_FREE char *range = format("%" PRIu64 "-", request->offset);

	curl_easy_setopt(curl, CURLOPT_URL, transfer->url);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "ducc/" DUCC_VERSION);
	curl_easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, STALL_SPEED);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, http->stall_time);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, TRANSFER_BUFFER);
	if (request->offset)
		curl_easy_setopt(curl, CURLOPT_RANGE, range);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
	if (http->context->notice) {
		curl_easy_setopt(curl, CURLOPT_VERBOSE, 1L);
		curl_easy_setopt(curl, CURLOPT_DEBUGFUNCTION, on_debug);
		curl_easy_setopt(curl, CURLOPT_DEBUGDATA, http);
	}
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, http);
	set_body(curl, request);
}

static struct curl_slist *add_header(struct curl_slist *headers, const char *name,
				     const char *value)
{
	AUTO_FREE char *line = NULL;

	if (!value)
		return headers;
	line = format("%s: %s", name, value);
	return xalloc(curl_slist_append(headers, line));
}

static struct curl_slist *make_headers(const struct transfer *transfer)
{
	const struct http_request *request = transfer->request;
	struct curl_slist *headers = NULL;

	headers = add_header(headers, "Accept", request->accept);
	headers = add_header(headers, "Content-Type", request->content_type);
	headers = add_header(headers, "Content-Range", request->content_range);
	headers = add_header(headers, "Cache-Control", request->cache_control);
	/* Another origin does not receive the credentials. */
	if (transfer->ours)
		headers = add_header(headers, "Authorization", request->authorization);
	/* Suppresses libcurl's default Content-Type and `Expect: 100-continue`. */
	if (!request->content_type)
		headers = xalloc(curl_slist_append(headers, "Content-Type:"));
	return xalloc(curl_slist_append(headers, "Expect:"));
}

/* Why a transfer has failed, and whether another attempt may succeed. */
static int fail(struct transfer *transfer, CURLcode code, const char *reason, bool *transient,
		ducc_error **err)
{
	const struct http *http = transfer->http;
	const struct http_failure failure = {.curl = http->libcurl.handle,
					     .code = code,
					     .reason = *reason ? reason : curl_easy_strerror(code),
					     .url = transfer->url,
					     .tls = &http->tls};

	*transient = false;
	if (transfer->error)
		return error_give(err, transfer->error);
	if (code == CURLE_ABORTED_BY_CALLBACK && context_check(http->context, err) < 0)
		return -1;
	return http_error(&failure, transient, err);
}

/* Some servers compress documents without being asked to; blobs are verified as sent. */
static int decode_body(struct transfer *transfer, ducc_error **err)
{
	struct http_response *response = transfer->response;
	const char *coding = libcurl_last_header(&transfer->http->libcurl, "Content-Encoding");

	if (transfer->request->sink)
		return 0;
	if (response->status / 100 == 2)
		return inflate_body(&response->body, coding, transfer->request->limit, err);
	inflate_body(&response->body, coding, ERROR_BODY_LIMIT, NULL);
	return 0;
}

/* One request to one URL, without redirects. */
static int perform_once(struct transfer *transfer, bool *transient, ducc_error **err)
{
	CURL *curl = transfer->http->libcurl.handle;
	struct curl_slist *headers;
	char reason[CURL_ERROR_SIZE] = "";
	CURLcode code;

	http_response_reset(transfer->response);
	libcurl_reset(&transfer->http->libcurl); /* keeps the connections */
	if (set_tls(transfer, err) < 0)
		return -1;
	headers = make_headers(transfer);
	set_options(curl, transfer->request, headers, transfer);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
	code = curl_easy_perform(curl);
	http_response_read(transfer->response, &transfer->http->libcurl, transfer->url);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);
	if (code == CURLE_OK || transfer->enough)
		return decode_body(transfer, err);
	return fail(transfer, code, reason, transient, err);
}

static bool is_redirect(const struct http_request *request, const struct http_response *response)
{
	long status = response->status;
	bool gets = !request->method || !strcmp(request->method, "GET") ||
		    !strcmp(request->method, "HEAD");

	return gets && response->location &&
	       (status == 301 || status == 302 || status == 303 || status == 307 || status == 308);
}

static int check_redirect(const char *from, const char *to, ducc_error **err)
{
	if (!url_is_http(to))
		return error_set(err, "redirect to a non-HTTP URL");
	if (!strncasecmp(from, "https:", 6) && strncasecmp(to, "https:", 6) != 0)
		return error_set(err, "redirect from https to http");
	return 0;
}

int http_perform(struct http *http, const struct http_request *request,
		 struct http_response *response, bool *transient, ducc_error **err)
{
	AUTO_FREE char *url = xstrdup(request->url);
	bool unused = false, ours = true;

	transient = transient ? transient : &unused;
	*transient = false;
	for (int hops = 0; hops <= MAX_REDIRECTS; hops++) {
		struct transfer transfer = {.http = http,
					    .request = request,
					    .response = response,
					    .url = url,
					    .ours = ours};

		if (perform_once(&transfer, transient, err) < 0)
			return -1;
		if (!is_redirect(request, response)) {
			/* Our credentials do not answer a challenge from another origin. */
			if (!transfer.ours)
				free(STEAL(response->challenge));
			return 0;
		}
		if (check_redirect(url, response->location, err) < 0)
			return -1;
		free(url);
		url = STEAL(response->location);
		/* What another origin has chosen here is not ours, either. */
		ours = ours && url_same_origin(url, request->url);
	}
	return error_set(err, "more than %d redirects", MAX_REDIRECTS);
}

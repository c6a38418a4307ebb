/* HTTP requests over libcurl: see http.h. */
#include "http.h"

#include <curl/curl.h>
#include <pthread.h>
#include <strings.h>

#include "json.h"
#include "mem.h"

#define CONNECT_TIMEOUT 30L /* seconds */
#define STALL_SPEED 1024L   /* bytes a second below which a transfer counts as stalled ... */
#define STALL_TIME 60L      /* ... when it lasts for so many seconds */
#define MAX_REDIRECTS 10
#define TRANSFER_BUFFER (256L << 10) /* bytes libcurl hands on at a time, at most */
#define ERROR_BODY_LIMIT 16384

struct http {
	CURL *curl;
};

struct transfer {
	struct http *http;
	const struct http_request *request;
	struct http_response *response;
	const char *url;   /* of the request, or where it was redirected to */
	ducc_error *error; /* what the sink said */
};

static void global_init(void)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		abort();
}

struct http *http_new(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct http *http = xcalloc(1, sizeof(*http));

	pthread_once(&once, global_init);
	http->curl = xalloc(curl_easy_init());
	return http;
}

void http_free(struct http *http)
{
	if (!http)
		return;
	curl_easy_cleanup(http->curl);
	free(http);
}

static void reset_response(struct http_response *response)
{
	char **headers[] = {&response->content_type, &response->challenge, &response->digest,
			    &response->location, &response->next};

	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		free(*headers[i]);
		*headers[i] = NULL;
	}
	response->status = 0;
	response->received = 0;
	buffer_reset(&response->body);
}

/* A part of the URL, or NULL; the caller frees it. */
static char *url_part(const char *url, CURLUPart part, unsigned flags)
{
	CURLU *handle = xalloc(curl_url());
	char *text = NULL, *copy = NULL;

	if (!curl_url_set(handle, CURLUPART_URL, url, 0) &&
	    !curl_url_get(handle, part, &text, flags))
		copy = xstrdup(text);
	curl_free(text);
	curl_url_cleanup(handle);
	return copy;
}

/* The URL that `reference` means in an answer from `base`, or NULL; the caller frees it. */
static char *resolve(const char *base, const char *reference)
{
	CURLU *handle = xalloc(curl_url());
	char *text = NULL, *copy = NULL;

	if (!curl_url_set(handle, CURLUPART_URL, base, 0) &&
	    !curl_url_set(handle, CURLUPART_URL, reference, CURLU_NON_SUPPORT_SCHEME) &&
	    !curl_url_get(handle, CURLUPART_URL, &text, 0))
		copy = xstrdup(text);
	curl_free(text);
	curl_url_cleanup(handle);
	return copy;
}

static bool same_part(const char *a, const char *b, CURLUPart part)
{
	AUTO_FREE char *of_a = url_part(a, part, CURLU_DEFAULT_PORT);
	AUTO_FREE char *of_b = url_part(b, part, CURLU_DEFAULT_PORT);

	return of_a && of_b && !strcasecmp(of_a, of_b);
}

bool http_same_origin(const char *a, const char *b)
{
	return same_part(a, b, CURLUPART_SCHEME) && same_part(a, b, CURLUPART_HOST) &&
	       same_part(a, b, CURLUPART_PORT);
}

char *http_path(const char *url)
{
	AUTO_FREE char *path = url_part(url, CURLUPART_PATH, 0);
	AUTO_FREE char *query = url_part(url, CURLUPART_QUERY, 0);

	return path ? format("%s%s%s", path, query ? "?" : "", query ? query : "") : NULL;
}

/* The value if `line` is the header `name`, trimmed; the caller frees it. */
static char *header_value(const char *line, size_t len, const char *name)
{
	size_t n = strlen(name);

	if (len <= n || line[n] != ':' || strncasecmp(line, name, n) != 0)
		return NULL;
	line += n + 1;
	len -= n + 1;
	while (len && strchr(" \t", *line)) {
		line++;
		len--;
	}
	while (len && strchr(" \t\r\n", line[len - 1]))
		len--;
	return xstrndup(line, len);
}

static void keep(char **slot, char *value)
{
	if (!value)
		return;
	free(*slot);
	*slot = value;
}

/* The target of `<target>; rel="next"` (RFC 8288) among those of a Link header. */
static char *next_link(const char *base, const char *links)
{
	while (links && (links = strchr(links, '<'))) {
		const char *end = strchr(links, '>');
		size_t parameters = end ? strcspn(end, "<") : 0;
		AUTO_FREE char *text = end ? xstrndup(end, parameters) : NULL;

		if (text && (strcasestr(text, "rel=\"next\"") || strcasestr(text, "rel=next"))) {
			AUTO_FREE char *target = xstrndup(links + 1, (size_t)(end - links - 1));

			return resolve(base, target);
		}
		links = end;
	}
	return NULL;
}

static size_t on_header(char *line, size_t size, size_t n, void *data)
{
	struct transfer *transfer = data;
	struct http_response *response = transfer->response;
	size_t len = size * n;
	char *challenge;
	AUTO_FREE char *location = NULL, *links = NULL;

	if (len > 5 && !strncmp(line, "HTTP/", 5)) /* a new answer, after a redirect */
		reset_response(response);
	keep(&response->content_type, header_value(line, len, "Content-Type"));
	keep(&response->digest, header_value(line, len, "Docker-Content-Digest"));
	location = header_value(line, len, "Location");
	if (location)
		keep(&response->location, resolve(transfer->url, location));
	links = header_value(line, len, "Link");
	keep(&response->next, next_link(transfer->url, links));
	challenge = header_value(line, len, "WWW-Authenticate");
	if (challenge && (!response->challenge || !strncasecmp(challenge, "Bearer", 6)))
		keep(&response->challenge, challenge);
	else
		free(challenge);
	return len;
}

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
	struct transfer *transfer = ctx;
	struct http_response *response = transfer->response;
	const struct http_request *request = transfer->request;
	size_t len = size * n;
	long status = 0;

	curl_easy_getinfo(transfer->http->curl, CURLINFO_RESPONSE_CODE, &status);
	response->received += len;
	if (status != 200) {
		if (response->body.len < ERROR_BODY_LIMIT)
			buffer_add(&response->body, data, len);
		return len;
	}
	if (request->sink)
		return request->sink(request->ctx, data, len, &transfer->error) ? 0 : len;
	if (len > request->limit - response->body.len) {
		error_set(&transfer->error, "answer of more than %zu bytes", request->limit);
		return 0;
	}
	buffer_add(&response->body, data, len);
	return len;
}

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

static void set_options(CURL *curl, const struct http_request *request, struct curl_slist *headers,
			struct transfer *transfer)
{
	curl_easy_reset(curl); /* keeps the connections */
	curl_easy_setopt(curl, CURLOPT_URL, transfer->url);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "ducc/" DUCC_VERSION);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, STALL_SPEED);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, STALL_TIME);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, TRANSFER_BUFFER);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, transfer);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
	set_body(curl, request);
}

static bool is_transient(CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_CONNECT:
	case CURLE_PARTIAL_FILE:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
	case CURLE_SSL_CONNECT_ERROR:
		return true;
	default:
		return false;
	}
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

static struct curl_slist *make_headers(const struct http_request *request, const char *url)
{
	struct curl_slist *headers = NULL;

	headers = add_header(headers, "Accept", request->accept);
	headers = add_header(headers, "Content-Type", request->content_type);
	headers = add_header(headers, "Content-Range", request->content_range);
	/* Who was redirected elsewhere is a stranger there. */
	if (http_same_origin(url, request->url))
		headers = add_header(headers, "Authorization", request->authorization);
	/* Without these, libcurl makes up what a body is, and asks whether it may come. */
	if (!request->content_type)
		headers = xalloc(curl_slist_append(headers, "Content-Type:"));
	return xalloc(curl_slist_append(headers, "Expect:"));
}

/* One request to one place. */
static int perform_once(struct transfer *transfer, bool *transient, ducc_error **err)
{
	CURL *curl = transfer->http->curl;
	struct curl_slist *headers = make_headers(transfer->request, transfer->url);
	char reason[CURL_ERROR_SIZE] = "";
	CURLcode code;

	reset_response(transfer->response);
	set_options(curl, transfer->request, headers, transfer);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
	code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &transfer->response->status);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);
	if (code == CURLE_OK)
		return 0;
	*transient = !transfer->error && is_transient(code);
	if (!transfer->error)
		return error_set(err, "%s", *reason ? reason : curl_easy_strerror(code));
	if (err && !*err)
		*err = transfer->error;
	else
		ducc_error_free(transfer->error);
	return -1;
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
	AUTO_FREE char *scheme = url_part(to, CURLUPART_SCHEME, CURLU_NON_SUPPORT_SCHEME);

	if (!scheme || (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
		return error_set(err, "redirect to something that is not http");
	if (!strncmp(from, "https:", 6) && strcmp(scheme, "https") != 0)
		return error_set(err, "redirect from https to http");
	return 0;
}

int http_perform(struct http *http, const struct http_request *request,
		 struct http_response *response, bool *transient, ducc_error **err)
{
	AUTO_FREE char *url = xstrdup(request->url);
	bool unused;

	transient = transient ? transient : &unused;
	*transient = false;
	for (int hops = 0; hops <= MAX_REDIRECTS; hops++) {
		struct transfer transfer = {
			.http = http, .request = request, .response = response, .url = url};

		if (perform_once(&transfer, transient, err) < 0)
			return -1;
		if (!is_redirect(request, response))
			return 0;
		if (check_redirect(url, response->location, err) < 0)
			return -1;
		free(url);
		url = STEAL(response->location);
	}
	return error_set(err, "more than %d redirects", MAX_REDIRECTS);
}

void http_response_free(struct http_response *response)
{
	reset_response(response);
	buffer_free(&response->body);
}

bool http_status_is_transient(long status)
{
	return status == 408 || status == 425 || status == 429 || status == 500 || status == 502 ||
	       status == 503 || status == 504;
}

static const char *status_text(long status)
{
	switch (status) {
	case 401:
		return "401, authentication required";
	case 403:
		return "403, access denied";
	case 404:
		return "404, not found";
	case 429:
		return "429, too many requests";
	default:
		return NULL;
	}
}

/* The first message of an error body as the OCI distribution specification has it. */
static char *registry_message(const struct buffer *body)
{
	AUTO_JSON *json = body->len ? cJSON_ParseWithLength(body->data, body->len) : NULL;
	const cJSON *errors = cJSON_GetObjectItemCaseSensitive(json, "errors");
	const cJSON *first = cJSON_GetArrayItem(errors, 0);
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(first, "message"));

	return text ? xstrndup(text, 200) : NULL;
}

int http_status_error(const struct http_response *response, ducc_error **err)
{
	AUTO_FREE char *message = registry_message(&response->body);
	const char *text = status_text(response->status);

	if (text)
		error_set(err, "the registry answered %s%s%s", text, message ? ": " : "",
			  message ? message : "");
	else
		error_set(err, "the registry answered %ld%s%s", response->status,
			  message ? ": " : "", message ? message : "");
	return -1;
}

char *http_escape(const char *text)
{
	struct buffer escaped = {0};

	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
		    (*p >= '0' && *p <= '9') || strchr("-._~", *p))
			buffer_addc(&escaped, (char)*p);
		else
			buffer_addf(&escaped, "%%%02X", *p);
	}
	return buffer_steal(&escaped);
}

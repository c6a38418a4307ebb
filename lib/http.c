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
#define MAX_REDIRECTS 10L
#define TRANSFER_BUFFER (256L << 10) /* bytes libcurl hands on at a time, at most */
#define ERROR_BODY_LIMIT 16384

struct http {
	CURL *curl;
};

struct transfer {
	struct http *http;
	const struct http_request *request;
	struct http_response *response;
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
	free(response->content_type);
	free(response->challenge);
	free(response->digest);
	response->content_type = response->challenge = response->digest = NULL;
	response->status = 0;
	response->received = 0;
	buffer_reset(&response->body);
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

static size_t on_header(char *line, size_t size, size_t n, void *data)
{
	struct transfer *transfer = data;
	struct http_response *response = transfer->response;
	size_t len = size * n;
	char *challenge;

	if (len > 5 && !strncmp(line, "HTTP/", 5)) /* a new answer, after a redirect */
		reset_response(response);
	keep(&response->content_type, header_value(line, len, "Content-Type"));
	keep(&response->digest, header_value(line, len, "Docker-Content-Digest"));
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

static void set_options(CURL *curl, const struct http_request *request, struct curl_slist *headers,
			struct transfer *transfer)
{
	bool https = !strncmp(request->url, "https:", 6);

	curl_easy_reset(curl); /* keeps the connections */
	curl_easy_setopt(curl, CURLOPT_URL, request->url);
	curl_easy_setopt(curl, CURLOPT_NOBODY, request->head ? 1L : 0L);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "ducc/" DUCC_VERSION);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	/* Never from https down to http. */
	curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, https ? "https" : "http,https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(curl, CURLOPT_MAXREDIRS, MAX_REDIRECTS);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, STALL_SPEED);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, STALL_TIME);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, TRANSFER_BUFFER);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, transfer);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
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

int http_perform(struct http *http, const struct http_request *request,
		 struct http_response *response, bool *transient, ducc_error **err)
{
	struct transfer transfer = {.http = http, .request = request, .response = response};
	struct curl_slist *headers = NULL;
	char reason[CURL_ERROR_SIZE] = "";
	CURLcode code;

	reset_response(response);
	headers = add_header(headers, "Accept", request->accept);
	headers = add_header(headers, "Authorization", request->authorization);
	set_options(http->curl, request, headers, &transfer);
	curl_easy_setopt(http->curl, CURLOPT_ERRORBUFFER, reason);
	code = curl_easy_perform(http->curl);
	curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &response->status);
	curl_easy_setopt(http->curl, CURLOPT_ERRORBUFFER, NULL);
	curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);
	if (code == CURLE_OK)
		return 0;
	if (transient)
		*transient = !transfer.error && is_transient(code);
	if (transfer.error) {
		if (err && !*err)
			*err = transfer.error;
		else
			ducc_error_free(transfer.error);
		return -1;
	}
	return error_set(err, "%s", *reason ? reason : curl_easy_strerror(code));
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

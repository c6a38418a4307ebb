/* What depends on the version of libcurl: see libcurl.h. */
#include "net/libcurl.h"

#include "base/file.h"
#include "base/mem.h"

void libcurl_init(struct libcurl *libcurl)
{
	*libcurl = (struct libcurl){.handle = xalloc(curl_easy_init()), .authorities = -1};
}

void libcurl_free(struct libcurl *libcurl)
{
	curl_easy_cleanup(libcurl->handle);
	buffer_free(&libcurl->headers);
	cleanup_close(&libcurl->authorities);
}

#if LIBCURL_VERSION_NUM >= 0x075500 /* 7.85 */

void libcurl_reset(struct libcurl *libcurl)
{
	curl_easy_reset(libcurl->handle);
	curl_easy_setopt(libcurl->handle, CURLOPT_PROTOCOLS_STR, "http,https");
}

void libcurl_trust(struct libcurl *libcurl, const struct buffer *authorities)
{
	struct curl_blob blob = {authorities->data, authorities->len, CURL_BLOB_NOCOPY};

	curl_easy_setopt(libcurl->handle, CURLOPT_CAINFO_BLOB, &blob);
}

const char *libcurl_header(struct libcurl *libcurl, const char *name, size_t i)
{
	struct curl_header *header;

	return curl_easy_header(libcurl->handle, name, i, CURLH_HEADER, -1, &header)
		       ? NULL
		       : header->value;
}

#else

#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#define BLANKS " \t\r\n"
#define LIMIT ((size_t)300 << 10) /* bytes of all headers, as in newer versions */

/* Receives a line: of the headers, which an empty line ends, or of the trailers after a body. */
static size_t on_header(char *data, size_t size, size_t n, void *ctx)
{
	struct libcurl *libcurl = ctx;
	struct buffer *headers = &libcurl->headers;
	size_t len = strnlen(data, size * n);

	while (len && strchr(BLANKS, data[len - 1]))
		len--;
	if (len >= 5 && !memcmp(data, "HTTP/", 5) && (libcurl->complete || !headers->len)) {
		buffer_reset(headers); /* the final response comes after an informational one */
		libcurl->complete = false;
	}
	libcurl->complete |= !len;
	if (libcurl->complete)
		return size * n;
	if (headers->len && (*data == ' ' || *data == '\t')) /* it continues the last line */
		buffer_truncate(headers, headers->len - 1);
	buffer_add(headers, data, len);
	buffer_addc(headers, '\0');
	return headers->len > LIMIT ? 0 : size * n;
}

void libcurl_reset(struct libcurl *libcurl)
{
	curl_easy_reset(libcurl->handle);
	curl_easy_setopt(libcurl->handle, CURLOPT_PROTOCOLS,
			 (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
	curl_easy_setopt(libcurl->handle, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(libcurl->handle, CURLOPT_HEADERDATA, libcurl);
	buffer_reset(&libcurl->headers);
	libcurl->complete = false;
}

/* In a file of the same name for all hosts: libcurl reuses connections with equal options. */
void libcurl_trust(struct libcurl *libcurl, const struct buffer *authorities)
{
	AUTO_FREE char *path = NULL;

	if (libcurl->authorities < 0)
		libcurl->authorities = memfd_create("authorities", MFD_CLOEXEC);
	path = format("/proc/self/fd/%d", libcurl->authorities);
	if (!ftruncate(libcurl->authorities, 0) && !lseek(libcurl->authorities, 0, SEEK_SET))
		write_all(libcurl->authorities, authorities->data, authorities->len);
	curl_easy_setopt(libcurl->handle, CURLOPT_CAINFO, path);
}

const char *libcurl_header(struct libcurl *libcurl, const char *name, size_t i)
{
	const struct buffer *headers = &libcurl->headers;
	size_t len = strlen(name);

	for (size_t at = 0; at < headers->len; at += strlen(headers->data + at) + 1) {
		const char *line = headers->data + at;

		if (!strncasecmp(line, name, len) && line[len] == ':' && !i--)
			return line + len + 1 + strspn(line + len + 1, BLANKS);
	}
	return NULL;
}

#endif

const char *libcurl_last_header(struct libcurl *libcurl, const char *name)
{
	const char *value, *last = NULL;

	for (size_t i = 0; (value = libcurl_header(libcurl, name, i)); i++)
		last = value;
	return last;
}

/*
 * The errors of HTTP transfers that libcurl gave up.
 */
#ifndef DUCC_HTTP_ERROR_H
#define DUCC_HTTP_ERROR_H

#include <curl/curl.h>
#include <stdbool.h>

#include "base/error.h"
#include "net/tls.h"

struct http_failure {
	CURL *curl; /* its handle */
	CURLcode code;
	const char *reason; /* libcurl's message */
	const char *url;
	const struct tls *tls; /* the configuration of the server */
};

/* Sets *err, and *transient if another attempt may succeed; returns -1. */
int http_error(const struct http_failure *failure, bool *transient, ducc_error **err);

#endif

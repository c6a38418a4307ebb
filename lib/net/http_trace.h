/*
 * Traces of requests and responses without secrets: only the values of headers known to
 * be harmless are shown, others by name only, and URLs without their query.
 */
#ifndef DUCC_HTTP_TRACE_H
#define DUCC_HTTP_TRACE_H

#include <stddef.h>

/* A start line or header line with secrets hidden; NULL if empty.  The caller frees it. */
char *http_trace_line(const char *line, size_t len);

#endif

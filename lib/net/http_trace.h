/*
 * What may be told of a request and its answer: headers whose values are known to be
 * harmless.  Of all others it is only said that they are there, of URLs not the query.
 */
#ifndef DUCC_HTTP_TRACE_H
#define DUCC_HTTP_TRACE_H

#include <stddef.h>

/* One line of a head, without what must not be seen; NULL for an empty one.  The caller frees it. */
char *http_trace_line(const char *line, size_t len);

#endif

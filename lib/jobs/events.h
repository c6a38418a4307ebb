/*
 * Machine-readable events: the beginning, end and result of operations, one JSON object per
 * line, appended to the event file of the session (struct ducc_options, notify).
 *
 * Keys and form are those of the original ducc's notifications, and all values are strings;
 * ducc(7) lists them.  A line is written by one write(2) of less than PIPE_BUF bytes, so
 * that any number of programs can share a file or a pipe.  Without an event file, the
 * functions do nothing.
 */
#ifndef DUCC_EVENTS_H
#define DUCC_EVENTS_H

#include <time.h>

#include "base/context.h"
#include "format/reference.h"

struct events;

/*
 * Opens the file, and writes the event that the program has started; NULL with a warning on
 * failure.  The caller keeps the context.
 */
struct events *events_open(const char *path, struct context *context);
/* Writes the event that the program has ended, and closes the file.  NULL is allowed. */
void events_close(struct events *events);

/* Writes an event: the action, then keys and values; a NULL value omits its key. */
#define event(events, action, ...)                                                                 \
	event_send(events, action, (const char *const[]){__VA_ARGS__, NULL})
void event_send(struct events *events, const char *action, const char *const *pairs);

/* An operation with a duration. */
struct span {
	struct events *events; /* NULL: no event file */
	const char *what;
	char *request, *image, *layer;
	char id[37];  /* the same for beginning and end */
	double start; /* on the monotonic clock */
	time_t begun;
	bool told; /* the event of its beginning is written */
};

/*
 * Begins an operation, with an image's reference as in the record, and a layer or NULL.  It has
 * no events if it turns out that there is nothing to do.
 */
void span_begin(struct span *span, struct events *events, const char *what, const char *reference,
		const struct digest *layer);

/* There is something to do: writes the event of its beginning, action start_`what`, unless it is written. */
void span_tell(struct span *span);

/* Sets the name of the image, which is not known at the beginning for a local source. */
void span_name(struct span *span, const struct reference *reference);

/*
 * If it has failed, or there was something to do, writes the event of its end: action end_`what`,
 * with the elapsed time, the size in bytes (0: unknown), and the error if result is negative.
 */
void span_end(struct span *span, int result, uint64_t bytes, ducc_error *const *err);
/* Forgets a span of which nothing is told yet. */
void span_drop(struct span *span);

#endif

/*
 * Events for other programs: what begins, what ends and how, one JSON object a line,
 * appended to the file of the session (struct ducc_options, notify).
 *
 * Keys and form are those of the original ducc's notifications, and all values are strings;
 * ducc(7) lists them.  A line is written by one write(2) of less than PIPE_BUF bytes, so
 * that any number of programs can share a file or a pipe.  Where nobody listens, all of
 * this does nothing.
 */
#ifndef DUCC_EVENTS_H
#define DUCC_EVENTS_H

#include <time.h>

#include "base/context.h"
#include "format/reference.h"

struct events;

/*
 * Opens the file, and says that the program has begun; NULL with *err set on failure.  The
 * context stays the caller's.
 */
struct events *events_open(const char *path, struct context *context, ducc_error **err);
/* Says that it ends; NULL is allowed. */
void events_close(struct events *events);

/* Says what has happened: action, then keys, each with its value, which may be NULL: not said. */
#define event(events, action, ...)                                                                 \
	event_send(events, action, (const char *const[]){__VA_ARGS__, NULL})
void event_send(struct events *events, const char *action, const char *const *pairs);

/* Something that takes its time. */
struct span {
	struct events *events; /* NULL: nobody listens */
	const char *what;
	char *request, *image, *layer;
	char id[37]; /* the same for beginning and end */
	struct timespec start;
};

/*
 * Says that it begins: action start_`what`, with the reference of an image as the
 * record has it, and a layer or NULL.
 */
void span_begin(struct span *span, struct events *events, const char *what, const char *reference,
		const struct digest *layer);

/* What the image is called, which of a local source is known only later. */
void span_name(struct span *span, const struct reference *reference);

/*
 * Says that it ends: action end_`what`, with the time that it took, the bytes that it was
 * about (0: not known), and the error if result is negative.
 */
void span_end(struct span *span, int result, uint64_t bytes, ducc_error *const *err);

#endif

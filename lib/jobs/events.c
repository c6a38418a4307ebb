/* Events: see events.h. */
#include "jobs/events.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "format/json.h"

/* Bytes in JSON: more than a reference has; two, and three names, in a line stay below PIPE_BUF. */
#define VALUE_LIMIT 1000

struct events {
	struct context *context;
	int fd;
	bool failed; /* no more events can be written */
	pthread_mutex_t mutex;
	double start;
};

static char *seconds_since(double start)
{
	return format("%f", clock_monotonic() - start);
}

/* The length of the byte in JSON, after set() has escaped it. */
static size_t json_length(unsigned char c)
{
	if (c >= 0x80)
		return strlen("\\\\ooo");
	if (c < ' ')
		return strlen("\\u0000");
	return c == '"' || c == '\\' ? 2 : 1;
}

/* JSON is UTF-8, but file names in images need not be. */
static void set(cJSON *json, const char *key, const char *value)
{
	AUTO_BUFFER text = {0};
	AUTO_FREE char *shown = text_hide_users(value);
	size_t len = 0;

	buffer_adds(&text, "");
	for (const unsigned char *p = (const unsigned char *)shown; *p; p++) {
		len += json_length(*p);
		if (len > VALUE_LIMIT) {
			buffer_adds(&text, "...");
			break;
		}
		if (*p < 0x80)
			buffer_addc(&text, (char)*p);
		else
			buffer_addf(&text, "\\%03o", *p);
	}
	json_set_string(json, key, text.data);
}

static int write_event(const struct events *events, const char *action, time_t when,
		       const char *const *pairs)
{
	AUTO_JSON *json = json_object();
	AUTO_FREE char *time = clock_format(when), *text = NULL;
	AUTO_BUFFER line = {0};

	set(json, "action", action);
	for (; *pairs; pairs += 2)
		if (pairs[1])
			set(json, pairs[0], pairs[1]);
	set(json, "time", time);
	text = json_print(json, false);
	buffer_addf(&line, "%s\n", text);
	/* Not write_all(): lines of other programs could come in between. */
	errno = ENOSPC; /* the cause of a short write */
	return write(events->fd, line.data, line.len) == (ssize_t)line.len ? 0 : -1;
}

/* Writes an event of the program itself. */
static int write_own(const struct events *events, const char *action, const char *seconds)
{
	AUTO_FREE char *pid = format("%ld", (long)getpid());
	const char *const pairs[] = {
		"program", program_invocation_short_name, "pid", pid, "time_elapsed_s", seconds,
		NULL};

	return write_event(events, action, clock_now().tv_sec, pairs);
}

/* Events are not worth failing for. */
static void give_up(struct context *context, const char *path, int reason)
{
	context_notice(context, DUCC_WARNING, "events: %s: %s; no events will be written", path,
		       reason == ENXIO ? "no program reads it" : strerror(reason));
}

/* Only open() must not wait, for a reader of a FIFO. */
static int open_file(const char *path)
{
	AUTO_CLOSE int fd =
		open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);

	return fd < 0 || fcntl(fd, F_SETFL, O_APPEND) < 0 ? -1 : steal_fd(&fd);
}

struct events *events_open(const char *path, struct context *context)
{
	struct events *events;
	AUTO_CLOSE int fd = open_file(path);

	if (fd < 0) {
		give_up(context, path, errno);
		return NULL;
	}
	events = xcalloc(1, sizeof(*events));
	events->context = context;
	events->fd = steal_fd(&fd);
	pthread_mutex_init(&events->mutex, NULL);
	events->start = clock_monotonic();
	if (!write_own(events, "start_ducc", NULL))
		return events;
	give_up(context, path, errno);
	events->failed = true;
	events_close(events);
	return NULL;
}

void events_close(struct events *events)
{
	AUTO_FREE char *seconds = NULL;

	if (!events)
		return;
	seconds = seconds_since(events->start);
	if (!events->failed)
		write_own(events, "end_ducc", seconds);
	close(events->fd);
	pthread_mutex_destroy(&events->mutex);
	free(events);
}

static void send(struct events *events, const char *action, time_t when, const char *const *pairs)
{
	int failed = 0;

	pthread_mutex_lock(&events->mutex);
	if (!events->failed && write_event(events, action, when, pairs) < 0) {
		failed = errno;
		events->failed = true;
	}
	pthread_mutex_unlock(&events->mutex);
	if (failed)
		context_notice(events->context, DUCC_WARNING,
			       "events: %s; no more events will be written", strerror(failed));
}

void event_send(struct events *events, const char *action, const char *const *pairs)
{
	if (events)
		send(events, action, clock_now().tv_sec, pairs);
}

/* --- spans ------------------------------------------------------------ */

/* A random UUID (RFC 9562, version 4). */
static void make_id(char id[37])
{
	uint16_t random[8];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		abort();
	snprintf(id, 37, "%04x%04x-%04x-%04x-%04x-%04x%04x%04x", random[0], random[1], random[2],
		 (random[3] & 0x0fff) | 0x4000, (random[4] & 0x3fff) | 0x8000, random[5], random[6],
		 random[7]);
}

void span_begin(struct span *span, struct events *events, const char *what, const char *reference,
		const struct digest *layer)
{
	AUTO_REFERENCE parsed = {NULL};

	*span = (struct span){.events = events};
	if (!span->events)
		return;
	span->what = what;
	span->request = xstrdup(reference);
	if (!reference_parse(&parsed, reference, NULL))
		span->image = reference_name(&parsed);
	span->layer = layer ? xstrdup(layer->hex) : NULL;
	make_id(span->id);
	span->start = clock_monotonic();
	span->begun = clock_now().tv_sec;
}

void span_tell(struct span *span)
{
	AUTO_FREE char *action = NULL;

	if (!span->events || span->told)
		return;
	span->told = true;
	action = format("start_%s", span->what);
	send(span->events, action, span->begun,
	     (const char *const[]){"image_request", span->request, "image", span->image, "layer",
				   span->layer, "id", span->id, NULL});
}

void span_name(struct span *span, const struct reference *reference)
{
	if (span->events && !span->image)
		span->image = reference_name(reference);
}

void span_drop(struct span *span)
{
	free(span->request);
	free(span->image);
	free(span->layer);
	*span = (struct span){.events = NULL};
}

void span_end(struct span *span, int result, uint64_t bytes, ducc_error *const *err)
{
	AUTO_FREE char *action = NULL, *seconds = NULL, *size = NULL;

	if (result < 0)
		span_tell(span);
	if (!span->told) {
		span_drop(span);
		return;
	}
	action = format("end_%s", span->what);
	seconds = seconds_since(span->start);
	size = bytes ? format("%" PRIu64, bytes) : NULL;
	event(span->events, action, "image_request", span->request, "image", span->image, "layer",
	      span->layer, "id", span->id, "status", result < 0 ? "error" : "ok", "error",
	      result < 0 && err && *err ? ducc_error_message(*err) : NULL, "time_elapsed_s",
	      seconds, "size_bytes", size);
	span_drop(span);
}

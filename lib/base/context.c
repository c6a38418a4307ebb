/* The context of a job: see context.h. */
#include "base/context.h"

#include <inttypes.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#define DEFAULT_WAIT 3600 /* seconds */
#define WAIT_TICK 100     /* milliseconds */

void context_init(struct context *context, const struct ducc_options *options)
{
	*context = (struct context){
		.notice = options->notice,
		.progress = options->progress,
		.cancelled = options->cancelled,
		.ctx = options->ctx,
		.wait = options->wait ? options->wait : DEFAULT_WAIT,
	};
	pthread_mutex_init(&context->mutex, NULL);
}

void context_destroy(struct context *context)
{
	pthread_mutex_destroy(&context->mutex);
}

static _Thread_local const struct subject *subject;

const struct subject *context_subject(void)
{
	return subject;
}

void context_set_subject(const struct subject *new)
{
	subject = new;
}

void context_notice(struct context *context, enum ducc_level level, const char *fmt, ...)
{
	AUTO_BUFFER text = {0};
	va_list args;

	if (!context->notice)
		return;
	if (subject && subject->name)
		buffer_addf(&text, "%s: ", subject->name);
	va_start(args, fmt);
	buffer_vaddf(&text, fmt, args);
	va_end(args);
	pthread_mutex_lock(&context->mutex);
	context->notice(context->ctx, level, text_shorten(text.data));
	pthread_mutex_unlock(&context->mutex);
}

void context_progress(struct context *context, const struct ducc_progress *progress)
{
	if (!context->progress)
		return;
	pthread_mutex_lock(&context->mutex);
	context->progress(context->ctx, progress);
	pthread_mutex_unlock(&context->mutex);
}

void subject_limit(struct subject *limited, uint64_t seconds, const char *remedy)
{
	limited->remedy = remedy;
	limited->seconds = seconds;
	limited->start = clock_monotonic();
}

static bool is_late(void)
{
	return subject && subject->seconds &&
	       clock_monotonic() - subject->start >= (double)subject->seconds;
}

bool context_cancelled(struct context *context)
{
	bool cancelled;

	if (is_late())
		return true;
	if (!context->cancelled)
		return false;
	pthread_mutex_lock(&context->mutex);
	cancelled = context->cancelled(context->ctx);
	pthread_mutex_unlock(&context->mutex);
	return cancelled;
}

int context_interrupted(ducc_error **err)
{
	error_set(err, "interrupted");
	return error_kind(err, DUCC_CANCELLED);
}

int context_check(struct context *context, ducc_error **err)
{
	if (is_late())
		return error_set_kind(err, DUCC_LIMIT,
				      "takes more than %" PRIu64 " seconds (raise it with %s)",
				      subject->seconds, subject->remedy);
	return context_cancelled(context) ? context_interrupted(err) : 0;
}

bool context_wait(struct context *context, uint64_t milliseconds)
{
	while (milliseconds && !context_cancelled(context)) {
		uint64_t ms = milliseconds < WAIT_TICK ? milliseconds : WAIT_TICK;
		struct timespec wait = {.tv_nsec = (long)ms * 1000000};

		nanosleep(&wait, NULL);
		milliseconds -= ms;
	}
	return !context_cancelled(context);
}

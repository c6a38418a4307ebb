/* Errors as values: see error.h. */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/text.h"

struct ducc_error {
	enum ducc_error_kind kind;
	char *message;
	bool advised;
};

static void set_message(ducc_error **err, const char *prefix, const char *rest)
{
	AUTO_FREE char *joined = NULL, *shown = NULL;

	if (!*err)
		*err = xcalloc(1, sizeof(**err));
	else
		free((*err)->message);
	if (rest) {
		struct buffer both = {0};

		buffer_addf(&both, "%s: %s", prefix, rest);
		joined = buffer_steal(&both);
	}
	shown = text_shorten(ducc_printable(joined ? joined : prefix));
	(*err)->message = text_hide_users(shown); /* a shortened URL can have another one */
}

#define FORMAT(text, fmt)                                                                          \
	struct buffer text = {0};                                                                  \
	va_list args_;                                                                             \
	va_start(args_, fmt);                                                                      \
	buffer_vaddf(&(text), fmt, args_);                                                         \
	va_end(args_)

void error_start(ducc_error **err, const char *fmt, ...)
{
	if (err && !*err) {
		FORMAT(text, fmt);
		set_message(err, text.data, NULL);
		buffer_free(&text);
	}
}

static enum ducc_error_kind kind_of(int code)
{
	switch (code) {
	case ENOENT:
	case ENOTDIR:
		return DUCC_NOT_FOUND;
	case EACCES:
	case EPERM:
	case EROFS:
		return DUCC_DENIED;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return DUCC_NO_SPACE;
	default:
		return DUCC_SYSTEM;
	}
}

void error_start_errno(ducc_error **err, int code, const char *fmt, ...)
{
	if (err && !*err) {
		char reason[256];

		FORMAT(text, fmt);
		set_message(err, text.data, strerror_r(code, reason, sizeof(reason)));
		(*err)->kind = kind_of(code);
		buffer_free(&text);
	}
}

void error_classify(ducc_error **err, enum ducc_error_kind kind)
{
	if (err && *err && (*err)->kind == DUCC_OTHER)
		(*err)->kind = kind;
}

void error_reclassify(ducc_error **err, enum ducc_error_kind kind)
{
	if (err && *err)
		(*err)->kind = kind;
}

bool error_is_failure(const ducc_error *err)
{
	switch (ducc_error_kind(err)) {
	case DUCC_DENIED:
	case DUCC_NO_SPACE:
	case DUCC_SYSTEM:
		return true;
	default:
		return false;
	}
}

int error_pass_failure(ducc_error **err, ducc_error *error)
{
	if (error_is_failure(error))
		return error_give(err, error);
	ducc_error_free(error);
	return 0;
}

/* True if the message begins with this context: two callers may name the same layer. */
static bool begins_with(const char *message, const char *context)
{
	size_t len = strlen(context);

	return !strncmp(message, context, len) && message[len] == ':';
}

void error_prepend(ducc_error **err, const char *fmt, ...)
{
	if (err && *err) {
		AUTO_FREE char *inner = xstrdup((*err)->message);

		FORMAT(text, fmt);
		if (!begins_with(inner, text.data))
			set_message(err, text.data, inner);
		buffer_free(&text);
	}
}

void error_advise(ducc_error **err, const char *fmt, ...)
{
	if (err && *err && !(*err)->advised) {
		AUTO_FREE char *whole = NULL;

		FORMAT(text, fmt);
		whole = format("%s (%s)", (*err)->message, text.data);
		set_message(err, whole, NULL);
		(*err)->advised = true;
		buffer_free(&text);
	}
}

void error_hand_over(ducc_error **err, ducc_error *error)
{
	if (err && !*err)
		*err = error;
	else
		ducc_error_free(error);
}

ducc_error *error_copy(const ducc_error *err)
{
	ducc_error *copy = xcalloc(1, sizeof(*copy));

	copy->kind = err->kind;
	copy->advised = err->advised;
	copy->message = xstrdup(err->message);
	return copy;
}

enum ducc_error_kind ducc_error_kind(const ducc_error *err)
{
	return err->kind;
}

const char *ducc_error_message(const ducc_error *err)
{
	return err->message;
}

void ducc_error_free(ducc_error *err)
{
	if (!err)
		return;
	free(err->message);
	free(err);
}

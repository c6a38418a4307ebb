/*
 * The progress of one thing, a layer for example, as reported to the caller (ducc.h: struct
 * ducc_progress): first progress_wait(), unless it begins at once; progress_move() while it moves;
 * in any case progress_end().
 *
 * The image is the subject of the calling thread (context.h).
 */
#ifndef DUCC_PROGRESS_H
#define DUCC_PROGRESS_H

#include "base/context.h"

struct progress {
	struct context *context; /* NULL: nothing is reported */
	enum ducc_activity activity;
	const char *what;
	uint64_t total; /* bytes; 0: unknown */
};

void progress_wait(const struct progress *progress);
/*
 * A callback, to which ctx is the progress: `done` bytes are done; the first time, those that were
 * done before.  Returns -1 with *err set if the job is cancelled: context_check().
 */
int progress_move(void *ctx, uint64_t done, ducc_error **err);
void progress_end(const struct progress *progress);

#endif

/* The progress of one thing: see progress.h. */
#include "base/progress.h"

static void report(const struct progress *progress, enum ducc_progress_state state, uint64_t done)
{
	const struct subject *subject = context_subject();
	struct ducc_progress report = {.what = progress->what,
				       .done = done,
				       .total = progress->total,
				       .image = subject ? subject->name : NULL,
				       .activity = progress->activity,
				       .state = state};

	if (progress->context)
		context_progress(progress->context, &report);
}

void progress_wait(const struct progress *progress)
{
	report(progress, DUCC_WAITING, 0);
}

int progress_move(void *ctx, uint64_t done, ducc_error **err)
{
	const struct progress *progress = ctx;

	report(progress, DUCC_MOVING, done);
	return progress->context ? context_check(progress->context, err) : 0;
}

void progress_end(const struct progress *progress)
{
	report(progress, DUCC_ENDED, 0);
}

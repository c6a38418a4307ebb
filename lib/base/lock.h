/*
 * Waiting for a lock until the context is cancelled.
 */
#ifndef DUCC_LOCK_H
#define DUCC_LOCK_H

#include "base/context.h"

/*
 * Takes an exclusive lock (flock(2)) on an open file or directory; `what` names it in
 * the notice.
 */
int lock_wait(struct context *context, int fd, const char *what, ducc_error **err);

/* The same with a shared lock, which any number of readers may hold, but no writer. */
int lock_wait_shared(struct context *context, int fd, const char *what, ducc_error **err);

#endif

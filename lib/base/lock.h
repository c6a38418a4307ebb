/*
 * Locks that are waited for as long as the context is not cancelled.
 */
#ifndef DUCC_LOCK_H
#define DUCC_LOCK_H

#include "base/context.h"

/*
 * Takes an exclusive lock (flock(2)) on an open file or directory; `what` is what is
 * waited for, in a notice.
 */
int lock_wait(struct context *context, int fd, const char *what, ducc_error **err);

#endif

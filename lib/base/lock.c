/* Locks: see lock.h. */
#include "base/lock.h"

#include <errno.h>
#include <poll.h>
#include <sys/file.h>

#define TICK 50 /* milliseconds */

static int wait_for(struct context *context, int fd, int operation, const char *what,
		    ducc_error **err)
{
	bool told = false;

	while (flock(fd, operation | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return error_errno(err, errno, "lock");
		if (context_check(context, err) < 0)
			return -1;
		if (!told)
			context_notice(context, DUCC_INFO, "%s: waiting for another process", what);
		told = true;
		/* No blocking flock(): a signal that arrives just before it would be missed. */
		poll(NULL, 0, TICK);
	}
	return 0;
}

int lock_wait(struct context *context, int fd, const char *what, ducc_error **err)
{
	return wait_for(context, fd, LOCK_EX, what, err);
}

int lock_wait_shared(struct context *context, int fd, const char *what, ducc_error **err)
{
	return wait_for(context, fd, LOCK_SH, what, err);
}

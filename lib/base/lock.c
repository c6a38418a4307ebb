/* Locks: see lock.h. */
#include "base/lock.h"

#include <errno.h>
#include <poll.h>
#include <sys/file.h>

#define TICK 50 /* milliseconds */

int lock_wait(struct context *context, int fd, const char *what, ducc_error **err)
{
	bool told = false;

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
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

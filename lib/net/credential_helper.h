/*
 * Credential helpers: programs docker-credential-NAME that supply passwords
 * (the Docker project's credential helper protocol).
 */
#ifndef DUCC_CREDENTIAL_HELPER_H
#define DUCC_CREDENTIAL_HELPER_H

#include "base/buffer.h"
#include "base/context.h"

/*
 * An agent is a process that runs helpers for this one, which may not be allowed to start
 * programs any more (base/confine.h), and ends them if this one is killed.  Stopping it waits
 * until it has exited; NULL is allowed.
 */
struct helper_agent;
struct helper_agent *helper_agent_start(ducc_error **err);
void helper_agent_stop(struct helper_agent *agent);

/*
 * Queries docker-credential-`name` for `server` through the agent, which only one thread may use at
 * a time.  Returns 1 with the helper's output, a secret, in `answer`, 0 if it has no credentials for
 * that server, -1 on error: DUCC_TRANSIENT if it has not answered within $DUCC_TIMEOUT.  Then, or if
 * the context (or NULL) is cancelled, the helper is ended.
 */
int credential_helper_get(const struct helper_agent *agent, struct context *context,
			  const char *name, const char *server, struct buffer *answer,
			  ducc_error **err);

#endif

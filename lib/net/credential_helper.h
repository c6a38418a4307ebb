/*
 * Credential helpers: programs docker-credential-NAME that supply passwords
 * (the Docker project's credential helper protocol).
 */
#ifndef DUCC_CREDENTIAL_HELPER_H
#define DUCC_CREDENTIAL_HELPER_H

#include "base/buffer.h"
#include "base/error.h"

/*
 * Queries docker-credential-`name` for `server`.  Returns 1 with its output, a secret, in
 * `answer`, 0 if it has no credentials for that server, -1 on error.
 */
int credential_helper_get(const char *name, const char *server, struct buffer *answer,
			  ducc_error **err);

#endif

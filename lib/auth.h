/*
 * Authentication to a registry: Basic, and Bearer tokens (the distribution
 * project's token authentication).
 *
 * One struct auth serves all transfers from one repository of one registry,
 * from any thread: a token that one of them got serves the others.
 */
#ifndef DUCC_AUTH_H
#define DUCC_AUTH_H

#include "http.h"
#include "reference.h"

struct auth;

enum registry_access { REGISTRY_PULL, REGISTRY_PUSH }; /* what tokens are asked for */

/*
 * `user` and `password`, or if they are NULL those that are configured for the
 * reference (see credentials.h).
 */
struct auth *auth_new(const struct reference *reference, enum registry_access access,
		      const char *user, const char *password, ducc_error **err);
void auth_free(struct auth *auth);

/* From now on, tokens are also to allow pulling from another repository of the registry. */
void auth_allow_pull(struct auth *auth, const char *repository);

/*
 * The Authorization header to send now, or NULL for none; the caller frees it.
 * *generation tells which answer to auth_challenge() it stems from.
 */
char *auth_header(struct auth *auth, unsigned *generation);

/*
 * Answers a 401: gets a token, or readies Basic credentials.  `generation` is
 * that of the header which was refused: if another thread has answered since,
 * there is nothing to do.  Returns 1 if another try makes sense, 0 if we have
 * nothing better to offer, -1 on error.
 */
int auth_challenge(struct auth *auth, struct http *http, const char *challenge, unsigned generation,
		   ducc_error **err);

#endif

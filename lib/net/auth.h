/*
 * Authentication to a registry: Basic, and Bearer tokens (the distribution
 * project's token authentication, with OAuth2 for identity tokens).
 *
 * One struct auth serves all transfers from one repository of one registry,
 * from any thread: a token that one of them got serves the others, until shortly
 * before it expires.  Credentials are looked up when the registry asks for some.
 */
#ifndef DUCC_AUTH_H
#define DUCC_AUTH_H

#include "format/reference.h"
#include "net/credentials.h"
#include "net/http.h"

struct auth;

/* Who comes to a repository, and what for. */
struct login {
	bool push;                   /* tokens are asked for that allow this, too */
	const char *user, *password; /* NULL: what the keyring has for the repository */
};

/* The keyring must live as long. */
struct auth *auth_new(const struct reference *reference, const struct login *login,
		      struct keyring *keyring);
void auth_free(struct auth *auth);

/* From now on, tokens are also to allow pulling from another repository of the registry. */
void auth_allow_pull(struct auth *auth, const char *repository);

/* Lets `auth` expect the challenge that another one for the same registry had to answer. */
void auth_learn(struct auth *auth, struct auth *other);

/*
 * The Authorization header to send now, or NULL for none; secret_free() it.
 * *generation tells which answer to auth_challenge() it stems from.
 */
char *auth_header(struct auth *auth, struct http *http, unsigned *generation);

/*
 * Answers a 401: gets a token, or readies Basic credentials.  `generation` is
 * that of the header which was refused: if another thread has answered since,
 * there is nothing to do.  Returns 1 if another try makes sense, 0 if we have
 * nothing better to offer, -1 on error (*transient: it may go better another time).
 */
int auth_challenge(struct auth *auth, struct http *http, const char *challenge, unsigned generation,
		   bool *transient, ducc_error **err);

#endif

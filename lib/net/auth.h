/*
 * Authentication to a registry: Basic, and Bearer tokens (the distribution
 * project's token authentication, with OAuth2 for identity tokens).
 *
 * One struct auth serves all transfers with one repository of one registry, from
 * any thread: they share a token until shortly before it expires.  Credentials
 * are looked up when the registry requires them.
 */
#ifndef DUCC_AUTH_H
#define DUCC_AUTH_H

#include "format/reference.h"
#include "net/credentials.h"
#include "net/http.h"

struct auth;

/* The credentials and the access to request for a repository. */
struct login {
	bool push;                   /* request tokens that allow pushing as well */
	const char *user, *password; /* NULL: use the keyring's for the repository */
	const char *origin;          /* of these, for messages; NULL: the environment */
};

/* The keyring must outlive the struct auth. */
struct auth *auth_new(const struct reference *reference, const struct login *login,
		      struct keyring *keyring);
void auth_free(struct auth *auth);

/* Makes later tokens also allow pulling from another repository of the registry. */
void auth_allow_pull(struct auth *auth, const char *repository);

/* Copies the challenge that another struct auth received from the same registry. */
void auth_learn(struct auth *auth, struct auth *other);

/*
 * The Authorization header to send now, or NULL for none; the caller passes it to
 * secret_free().  *generation is for auth_challenge().
 */
char *auth_header(struct auth *auth, struct http *http, unsigned *generation);

/*
 * True once, if there are credentials but no request has been challenged: some registries
 * deny to strangers that anything exists, and send challenges only for /v2/.
 */
bool auth_may_ask(struct auth *auth);

/* Adds to the error of a refused request whose credentials were used, if any; returns -1. */
int auth_explain(struct auth *auth, ducc_error **err);

/* The text of an error without the user that this names; the caller frees it. */
char *auth_hide_user(const char *error);

/*
 * Responds to a 401: gets a token, or prepares Basic credentials.  `generation` is
 * that of the refused header: if another thread has responded since, nothing is
 * done.  Returns 1 if the request should be retried, 0 if no other credentials are
 * available, -1 on error (*transient: a later attempt may succeed).
 */
int auth_challenge(struct auth *auth, struct http *http, const char *challenge, unsigned generation,
		   bool *transient, ducc_error **err);

#endif

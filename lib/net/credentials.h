/*
 * Credentials for a registry, from where container tools and the original ducc
 * have them.
 *
 * In this order: the environment (own_registries.h); $REGISTRY_AUTH_FILE; containers/auth.json in
 * $XDG_RUNTIME_DIR, $XDG_CONFIG_HOME, ~/.config; config.json in $DOCKER_CONFIG or
 * ~/.docker (containers-auth.json(5)).  In a file, a helper for just this host comes
 * first, then the most specific path, HOST/a/b/c, HOST/a/b, HOST/a, HOST, then the
 * helper for all hosts.
 */
#ifndef DUCC_CREDENTIALS_H
#define DUCC_CREDENTIALS_H

#include "format/reference.h"

/* Members may be NULL; all NULL: there are none. */
struct credentials {
	char *user, *password;
	char *identity_token; /* to be exchanged for a bearer token (OAuth2) */
	char *registry_token; /* a bearer token to be used as it is */
};

void credentials_free(struct credentials *credentials);

#define AUTO_CREDENTIALS __attribute__((cleanup(credentials_free))) struct credentials

/*
 * Files read and helpers asked are remembered in a keyring, for all that look into it,
 * from any thread.
 */
struct keyring;
struct keyring *keyring_new(void);
void keyring_free(struct keyring *keyring);

int keyring_find(struct keyring *keyring, const struct reference *reference,
		 struct credentials *credentials, ducc_error **err);

/* Frees a string that is a secret, and leaves nothing of it in memory; NULL is allowed. */
void secret_free(char *secret);

#endif

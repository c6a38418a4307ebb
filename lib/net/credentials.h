/*
 * Credentials for a registry, from the sources that container tools and the original
 * ducc use.
 *
 * In this order: the environment (own_registries.h); $REGISTRY_AUTH_FILE; containers/auth.json in
 * $XDG_RUNTIME_DIR or, without it, /run/containers/UID/auth.json and that in /run/user/UID; then in
 * $XDG_CONFIG_HOME, ~/.config; config.json in $DOCKER_CONFIG, ~/.docker (containers-auth.json(5)).
 * Within a file, the order is: the helper for this host, the most specific path of HOST/a/b/c,
 * HOST/a/b, HOST/a, HOST, the helper for all hosts.
 */
#ifndef DUCC_CREDENTIALS_H
#define DUCC_CREDENTIALS_H

#include "base/context.h"
#include "format/reference.h"

/* Members may be NULL; all NULL: no credentials. */
struct credentials {
	char *origin; /* a file, or the environment: for messages */
	char *user, *password;
	char *identity_token; /* exchanged for a bearer token (OAuth2) */
	char *registry_token; /* a bearer token, used as it is */
};

void credentials_free(struct credentials *credentials);

#define AUTO_CREDENTIALS __attribute__((cleanup(credentials_free))) struct credentials

/*
 * A keyring caches files and the responses of helpers, and reports where it looks to the
 * context (NULL: to nobody).  It may be used from any thread.
 */
struct keyring;
struct keyring *keyring_new(struct context *context);
void keyring_free(struct keyring *keyring);

/* Runs credential helpers in an agent from now on (credential_helper.h). */
int keyring_start_agent(struct keyring *keyring, ducc_error **err);

int keyring_find(struct keyring *keyring, const struct reference *reference,
		 struct credentials *credentials, ducc_error **err);

/* Wipes and frees a secret string; NULL is allowed. */
void secret_free(char *secret);

#endif

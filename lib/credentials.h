/*
 * Credentials: user and password for a registry, from where container tools
 * and the original ducc have them.
 *
 * In this order: DUCC_AUTH_REGISTRIES=a,b with DUCC_a_IDENT (HOST[:PORT]),
 * DUCC_a_USER and DUCC_a_PASS; $REGISTRY_AUTH_FILE; containers/auth.json in
 * $XDG_RUNTIME_DIR; config.json in $DOCKER_CONFIG or ~/.docker
 * (containers-auth.json(5)).  In a file the most specific path wins:
 * HOST/a/b/c, HOST/a/b, HOST/a, HOST.
 */
#ifndef DUCC_CREDENTIALS_H
#define DUCC_CREDENTIALS_H

#include "reference.h"

/* *user and *password are NULL if there are none; the caller frees them. */
int credentials_find(const struct reference *reference, char **user, char **password,
		     ducc_error **err);

/* base64; the caller frees it. */
char *base64_encode(const void *data, size_t len);
/* NULL if the text is not base64; the caller frees the bytes (NUL-terminated). */
unsigned char *base64_decode(const char *text, size_t *len);

#endif

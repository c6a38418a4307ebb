/*
 * Registries that the environment describes, as for the original ducc:
 * DUCC_AUTH_REGISTRIES=a,b with DUCC_a_IDENT (HOST[:PORT]), DUCC_a_USER, DUCC_a_PASS and
 * DUCC_a_PROXY (what is asked instead).
 */
#ifndef DUCC_OWN_REGISTRIES_H
#define DUCC_OWN_REGISTRIES_H

#include <stddef.h>

/* Members are the environment's, or NULL. */
struct own_registry {
	const char *ident, *proxy, *user, *password;
};

/* All of them; the caller frees the array. */
struct own_registry *own_registries(size_t *n);

#endif

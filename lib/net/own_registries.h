/*
 * Registries configured in the environment, as for the original ducc:
 * DUCC_AUTH_REGISTRIES=a,b with DUCC_a_IDENT (HOST[:PORT]), DUCC_a_USER, DUCC_a_PASS and
 * DUCC_a_PROXY (used instead of the registry).
 */
#ifndef DUCC_OWN_REGISTRIES_H
#define DUCC_OWN_REGISTRIES_H

#include <stddef.h>

#define OWN_REGISTRIES "DUCC_AUTH_REGISTRIES" /* the variable with their names */

/* Members point into the environment, or are NULL. */
struct own_registry {
	const char *ident, *proxy, *user, *password;
};

/* All configured registries; the caller frees the array. */
struct own_registry *own_registries(size_t *n);

/*
 * The first variable that is missing for one of them, allocated, or NULL: its registry, or one half
 * of its credentials.
 */
char *own_registries_missing(void);

#endif

/*
 * Alternative locations of a repository: DUCC_x_PROXY of DUCC_x_IDENT, and mirrors,
 * locations and blocked registries of containers-registries.conf(5), version 2.
 */
#ifndef DUCC_MIRRORS_H
#define DUCC_MIRRORS_H

#include "format/reference.h"

struct mirrors;

/* Reads the configuration.  NULL on error. */
struct mirrors *mirrors_load(ducc_error **err);
void mirrors_free(struct mirrors *mirrors);

struct place {
	struct reference reference; /* without tag and digest */
	bool insecure;              /* any certificate is accepted; with https, HTTP without
				       TLS is tried too */
	bool digests_only;          /* it must not be asked to resolve tags */
	/* Of DUCC_x_USER and _PASS, in the environment, if it is DUCC_x_PROXY; or NULL. */
	const char *user, *password;
};

/*
 * The places to try for the reference's repository, in order.  The last is the registry
 * itself; for a push, the only one, under its own name.  A blocked registry is an error.
 * Release with places_free().
 */
int mirrors_find(const struct mirrors *mirrors, const struct reference *reference, bool push,
		 struct place **places, size_t *n, ducc_error **err);
void places_free(struct place *places, size_t n);

#endif

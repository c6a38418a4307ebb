/*
 * Where else a repository may be asked for: DUCC_x_PROXY beside DUCC_x_IDENT, and
 * containers-registries.conf(5), version 2, with its mirrors, locations and blocked
 * registries.
 */
#ifndef DUCC_MIRRORS_H
#define DUCC_MIRRORS_H

#include "format/reference.h"

struct mirrors;

/* Reads what is configured.  NULL on error. */
struct mirrors *mirrors_load(ducc_error **err);
void mirrors_free(struct mirrors *mirrors);

struct place {
	struct reference reference; /* without tag and digest */
	bool insecure;              /* its certificate may be anybody's; if that is of https,
				       it may have no TLS at all */
	bool digests_only;          /* it is not to be asked what a tag is */
};

/*
 * The places to ask for the reference's repository, one after the other.  The last is
 * the registry itself; to push, it is the only one, under its own name.  An error if the
 * registry is blocked.  Release with places_free().
 */
int mirrors_find(const struct mirrors *mirrors, const struct reference *reference, bool push,
		 struct place **places, size_t *n, ducc_error **err);
void places_free(struct place *places, size_t n);

#endif

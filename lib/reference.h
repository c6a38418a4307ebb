/*
 * Image references: [SCHEME://]REGISTRY[:PORT]/REPOSITORY[:TAG][@DIGEST].
 *
 * A parsed reference is safe to use in URLs and as a path: the registry is a
 * host name or address in lower case, repository and tag follow the grammar of
 * the OCI distribution specification, none has "." or ".." as a component.
 *
 * Without a scheme, a loopback host means http, every other one https.  Without
 * a registry (a first component that has no dot, no colon and is not
 * `localhost`) Docker Hub is meant; one-component names there are in `library`.
 */
#ifndef DUCC_REFERENCE_H
#define DUCC_REFERENCE_H

#include "digest.h"
#include "error.h"

struct reference {
	char *scheme;         /* "http" or "https" */
	char *registry;       /* HOST[:PORT] */
	char *repository;     /* a/b/c */
	char *tag;            /* NULL: none; "latest" if neither tag nor digest were given */
	struct digest digest; /* hex[0] == '\0': none */
};

int reference_parse(struct reference *reference, const char *text, ducc_error **err);
void reference_free(struct reference *reference);

#define AUTO_REFERENCE __attribute__((cleanup(reference_free))) struct reference

bool reference_is_pinned(const struct reference *reference);

/* SCHEME://REGISTRY/REPOSITORY[:TAG][@DIGEST]; the caller frees it. */
char *reference_format(const struct reference *reference);

/*
 * REGISTRY/REPOSITORY:TAG, or REGISTRY/REPOSITORY@DIGEST without a tag: the name
 * in the store's index.json and in a repository.  The caller frees it.
 */
char *reference_name(const struct reference *reference);

/* True for a host (with or without port) that is this machine. */
bool registry_is_loopback(const char *registry);

#endif

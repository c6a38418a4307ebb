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
 *
 * A pattern is a reference whose tag may hold `*`, which stands for any text, none
 * included.  Only who says so takes one.
 */
#ifndef DUCC_REFERENCE_H
#define DUCC_REFERENCE_H

#include "base/error.h"
#include "format/digest.h"

/*
 * Docker Hub: its name in references, thus in stores and repositories; the one that its users
 * know; and the one that Docker keeps credentials under.
 */
#define DOCKER_HUB "registry.hub.docker.com"
#define DOCKER_HUB_SHORT "docker.io"
#define DOCKER_HUB_INDEX "index.docker.io"

struct reference {
	char *scheme;         /* "http" or "https" */
	char *registry;       /* HOST[:PORT] */
	char *repository;     /* a/b/c */
	char *tag;            /* NULL: none; "latest" if neither tag nor digest were given */
	struct digest digest; /* hex[0] == '\0': none */
};

int reference_parse(struct reference *reference, const char *text, ducc_error **err);

/* The same for a pattern; reference_is_pattern() tells whether there is a `*` in it. */
int reference_parse_pattern(struct reference *reference, const char *text, ducc_error **err);

void reference_free(struct reference *reference);

#define AUTO_REFERENCE __attribute__((cleanup(reference_free))) struct reference

bool reference_is_pinned(const struct reference *reference);

bool reference_is_pattern(const struct reference *reference);

/* True if the pattern of a tag stands for the tag; never for what can't be a tag. */
bool tag_matches(const char *pattern, const char *tag);

/*
 * True if the reference, or pattern, is about the image that a repository calls
 * `name`: REGISTRY/REPOSITORY:TAG, or REGISTRY/REPOSITORY@DIGEST.  Of a pinned
 * reference with a tag the digest does not matter, as it does not in names.
 */
bool reference_matches(const struct reference *pattern, const char *name);

/* True if the name, as above, is of an image in the repository of the reference. */
bool reference_has_repository_of(const struct reference *reference, const char *name);

/* SCHEME://REGISTRY/REPOSITORY[:TAG][@DIGEST]; the caller frees it. */
char *reference_format(const struct reference *reference);

/*
 * REGISTRY/REPOSITORY:TAG, or REGISTRY/REPOSITORY@DIGEST without a tag: the name
 * in the store's index.json and in a repository.  The caller frees it.
 */
char *reference_name(const struct reference *reference);

/* True if the text follows the grammar of tags. */
bool tag_is_valid(const char *text);

/*
 * All names of a registry, NULL at the end: those of Docker Hub, or only its own, in `own`.
 */
const char *const *registry_names(const char *registry, const char *own[2]);

/* True if `ident`, with or without a scheme and what follows the host, means the registry. */
bool registry_is_named(const char *ident, const char *registry);

/* True for HOST[:PORT], as the registry of a reference is. */
bool registry_is_valid(const char *text);

/* True for a host (with or without port) that is this machine. */
bool registry_is_loopback(const char *registry);

#endif

/*
 * Image references: [SCHEME://]REGISTRY[:PORT]/REPOSITORY[:TAG][@DIGEST].
 *
 * A parsed reference is safe to use in URLs and as a path: the registry is a
 * host name or address in lower case, repository and tag follow the grammar of
 * the OCI distribution specification, no component is "." or "..".
 *
 * Without a scheme, loopback hosts default to http, all others to https.  Without
 * a registry (the first component has no dot, no colon and is not `localhost`)
 * the default is Docker Hub; one-component names there are in `library`.  A prefix docker://
 * is ignored.
 *
 * A pattern is a reference whose tag may contain `*`, which matches any text,
 * including none.  Functions accept patterns only where documented.
 */
#ifndef DUCC_REFERENCE_H
#define DUCC_REFERENCE_H

#include "base/error.h"
#include "format/digest.h"

/*
 * Docker Hub's names: in references, thus in stores and repositories; as its users know it; and
 * the key of its credentials in Docker's files.
 */
#define DOCKER_HUB "registry.hub.docker.com"
#define DOCKER_HUB_SHORT "docker.io"
#define DOCKER_HUB_INDEX "index.docker.io"

struct reference {
	char *scheme;         /* "http" or "https" */
	char *registry;       /* HOST[:PORT] */
	char *repository;     /* a/b/c */
	char *tag;            /* NULL: none; "latest" if neither tag nor digest was given */
	struct digest digest; /* hex[0] == '\0': none */
};

int reference_parse(struct reference *reference, const char *text, ducc_error **err);

/* The same for a pattern; reference_is_pattern() is true if it contains `*`. */
int reference_parse_pattern(struct reference *reference, const char *text, ducc_error **err);

void reference_free(struct reference *reference);

#define AUTO_REFERENCE __attribute__((cleanup(reference_free))) struct reference

bool reference_is_pinned(const struct reference *reference);

bool reference_is_pattern(const struct reference *reference);

/*
 * True if the tag is valid and matches the pattern.  A tag under which signatures and the like
 * are stored beside images (sha256-HEX, *.sig, *.att, *.sbom) matches only a pattern that spells
 * out its beginning or end.
 */
bool tag_matches(const char *pattern, const char *tag);

/*
 * True if the reference, or pattern, matches the image whose name in a repository is
 * `name`: REGISTRY/REPOSITORY:TAG, or REGISTRY/REPOSITORY@DIGEST.  If a pinned reference
 * has a tag, its digest is ignored, as in names.
 */
bool reference_matches(const struct reference *pattern, const char *name);

/* True if the name, as above, belongs to the reference's REGISTRY/REPOSITORY. */
bool reference_has_repository_of(const struct reference *reference, const char *name);

/* SCHEME://REGISTRY/REPOSITORY[:TAG][@DIGEST]; the caller frees it. */
char *reference_format(const struct reference *reference);

/*
 * REGISTRY/REPOSITORY:TAG, or REGISTRY/REPOSITORY@DIGEST without a tag: the name
 * in the store's index.json and in a repository.  The caller frees it.
 */
char *reference_name(const struct reference *reference);

/* True if the text is a valid tag. */
bool tag_is_valid(const char *text);

/*
 * All names of a registry, NULL-terminated: those of Docker Hub, or just `registry`, in `own`.
 */
const char *const *registry_names(const char *registry, const char *own[2]);

/* True if `ident` names the registry; it may have a scheme, and a path after the host. */
bool registry_is_named(const char *ident, const char *registry);

/* True for HOST[:PORT] as in a reference. */
bool registry_is_valid(const char *text);
/* Fails if it is not, without printing what may be a password. */
int registry_check(const char *text, ducc_error **err);

/* True for a loopback host, with or without port. */
bool registry_is_loopback(const char *registry);

#endif

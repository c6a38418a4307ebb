/*
 * Certificate authorities and client certificates for TLS with one registry.
 *
 * As in Podman and Docker (containers-certs.d(5)), the first directory HOST[:PORT] in
 * ~/.config/containers/certs.d, /etc/containers/certs.d and /etc/docker/certs.d is used.
 * The authorities in its *.crt are trusted in addition to the system's; the first NAME.cert
 * with a NAME.key is the client certificate.
 */
#ifndef DUCC_TLS_H
#define DUCC_TLS_H

#include "base/buffer.h"
#include "base/error.h"

struct tls {
	struct buffer authorities; /* PEM, including the system's; empty: the system's only */
	char *directory;           /* where certificates were looked for; NULL: nowhere */
	char *certificate, *key;   /* paths; NULL: none */
};

/* `system` is the file of the system's authorities, or NULL. */
int tls_find(struct tls *tls, const char *authority, const char *system, ducc_error **err);
void tls_free(struct tls *tls);

#endif

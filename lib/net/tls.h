/*
 * Whom to trust, and who we are, in TLS with one registry.
 *
 * As with Podman and Docker (containers-certs.d(5)): the first directory HOST[:PORT] in
 * ~/.config/containers/certs.d, /etc/containers/certs.d and /etc/docker/certs.d counts.
 * The authorities in its *.crt are trusted beside the system's; the first NAME.cert with
 * a NAME.key is the client certificate.
 */
#ifndef DUCC_TLS_H
#define DUCC_TLS_H

#include "base/buffer.h"
#include "base/error.h"

struct tls {
	struct buffer authorities; /* PEM, the system's included; empty: those alone */
	char *certificate, *key;   /* paths; NULL: none */
};

/* `system` is the file with the system's authorities, or NULL. */
int tls_find(struct tls *tls, const char *authority, const char *system, ducc_error **err);
void tls_free(struct tls *tls);

#endif

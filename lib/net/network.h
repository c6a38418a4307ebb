/*
 * A session's network state, shared by its images: idle clients with their open
 * connections, and repositories of registries with their tokens.
 *
 * Thread-safe.
 */
#ifndef DUCC_NETWORK_H
#define DUCC_NETWORK_H

#include "format/reference.h"
#include "net/http.h"
#include "net/registry.h"

struct network;

struct network *network_new(struct context *context);
void network_free(struct network *network);

/* The context passed to network_new(). */
struct context *network_context(const struct network *network);

/* Prepares for a confinement of this process that forbids starting programs; once is enough. */
int network_prepare_confinement(struct network *network, ducc_error **err);

/* A client for the calling thread, to be returned with network_give(). */
struct http *network_take(struct network *network);
void network_give(struct network *network, struct http *http);

/*
 * A repository, for the access that the login requests; owned by the network.  NULL on
 * error.
 */
struct registry *network_registry(struct network *network, const struct reference *reference,
				  const struct login *login, ducc_error **err);

#endif

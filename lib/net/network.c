/* A session's network state: see network.h. */
#include "net/network.h"

#include <pthread.h>

#include "base/mem.h"
#include "base/text.h"
#include "net/credentials.h"
#include "net/mirrors.h"

struct known {
	char *scheme, *host, *repository;
	char *user, *password; /* of the login, or NULL */
	bool push;
	struct registry *registry;
};

struct network {
	pthread_mutex_t mutex;
	struct context *context;
	struct http **idle; /* last in, first out: the latest has the freshest connections */
	size_t n_idle, idle_capacity;
	struct known *known;
	size_t n_known, known_capacity;
	struct keyring *keyring;
	struct mirrors *mirrors; /* NULL: not read yet */
};

struct network *network_new(struct context *context)
{
	struct network *network = xcalloc(1, sizeof(*network));

	pthread_mutex_init(&network->mutex, NULL);
	network->context = context;
	network->keyring = keyring_new(context);
	return network;
}

void network_free(struct network *network)
{
	if (!network)
		return;
	while (network->n_idle)
		http_free(network->idle[--network->n_idle]);
	for (size_t i = 0; i < network->n_known; i++) {
		struct known *known = &network->known[i];

		registry_free(known->registry);
		free(known->scheme);
		free(known->host);
		free(known->repository);
		free(known->user);
		secret_free(known->password);
	}
	free(network->idle);
	free(network->known);
	keyring_free(network->keyring);
	mirrors_free(network->mirrors);
	pthread_mutex_destroy(&network->mutex);
	free(network);
}

struct context *network_context(const struct network *network)
{
	return network->context;
}

int network_prepare_confinement(struct network *network, ducc_error **err)
{
	return keyring_start_agent(network->keyring, err);
}

struct http *network_take(struct network *network)
{
	struct http *http = NULL;

	pthread_mutex_lock(&network->mutex);
	if (network->n_idle)
		http = network->idle[--network->n_idle];
	pthread_mutex_unlock(&network->mutex);
	return http ? http : http_new(network->context);
}

void network_give(struct network *network, struct http *http)
{
	pthread_mutex_lock(&network->mutex);
	GROW(network->idle, network->n_idle, network->idle_capacity);
	network->idle[network->n_idle++] = http;
	pthread_mutex_unlock(&network->mutex);
}

static bool is_login_of(const struct known *known, const struct login *login)
{
	return known->push == login->push && text_equal(known->user, login->user) &&
	       text_equal(known->password, login->password);
}

static struct registry *find_or_open(struct network *network, const struct reference *reference,
				     const struct login *login, ducc_error **err)
{
	struct registry *registry, *sibling = NULL;

	for (size_t i = 0; i < network->n_known; i++) {
		struct known *known = &network->known[i];

		if (strcmp(known->host, reference->registry) != 0 ||
		    strcmp(known->scheme, reference->scheme) != 0)
			continue;
		if (!strcmp(known->repository, reference->repository) && is_login_of(known, login))
			return known->registry;
		sibling = known->registry;
	}
	if (!network->mirrors)
		network->mirrors = mirrors_load(err);
	if (!network->mirrors)
		return NULL;
	registry = registry_open(reference, login, network->keyring, network->mirrors, err);
	if (!registry)
		return NULL;
	if (sibling)
		registry_learn(registry, sibling);
	GROW(network->known, network->n_known, network->known_capacity);
	network->known[network->n_known++] = (struct known){
		.scheme = xstrdup(reference->scheme),
		.host = xstrdup(reference->registry),
		.repository = xstrdup(reference->repository),
		.user = login->user ? xstrdup(login->user) : NULL,
		.password = login->password ? xstrdup(login->password) : NULL,
		.push = login->push,
		.registry = registry,
	};
	return registry;
}

struct registry *network_registry(struct network *network, const struct reference *reference,
				  const struct login *login, ducc_error **err)
{
	struct registry *registry;

	pthread_mutex_lock(&network->mutex);
	registry = find_or_open(network, reference, login, err);
	pthread_mutex_unlock(&network->mutex);
	return registry;
}

/* Registries in the environment: see own_registries.h. */
#include "net/own_registries.h"

#include "base/buffer.h"
#include "base/mem.h"

static const char *variable(const char *registry, const char *what)
{
	AUTO_FREE char *name = format("DUCC_%s_%s", registry, what);

	return getenv(name);
}

struct own_registry *own_registries(size_t *n)
{
	const char *list = getenv("DUCC_AUTH_REGISTRIES");
	AUTO_FREE char *copy = xstrdup(list ? list : "");
	struct own_registry *registries = NULL;
	size_t capacity = 0;
	char *rest = NULL;

	*n = 0;
	for (char *name = strtok_r(copy, ", ", &rest); name; name = strtok_r(NULL, ", ", &rest)) {
		GROW(registries, *n, capacity);
		registries[(*n)++] = (struct own_registry){
			.ident = variable(name, "IDENT"),
			.proxy = variable(name, "PROXY"),
			.user = variable(name, "USER"),
			.password = variable(name, "PASS"),
		};
	}
	return registries;
}

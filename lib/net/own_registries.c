/* Registries in the environment: see own_registries.h. */
#include "net/own_registries.h"

#include "base/buffer.h"
#include "base/mem.h"

static const char *variable(const char *registry, const char *what)
{
	AUTO_FREE char *name = format("DUCC_%s_%s", registry, what);

	return getenv(name);
}

static struct own_registry read_one(const char *name)
{
	return (struct own_registry){
		.ident = variable(name, "IDENT"),
		.proxy = variable(name, "PROXY"),
		.user = variable(name, "USER"),
		.password = variable(name, "PASS"),
	};
}

/* A copy of the list of names, allocated. */
static char *copy_names(void)
{
	const char *list = getenv(OWN_REGISTRIES);

	return xstrdup(list ? list : "");
}

/* The next name of the copy, which becomes *rest with the first call; NULL at the end. */
static char *next_name(char **rest)
{
	char *name;

	do
		name = strsep(rest, ", ");
	while (name && !*name);
	return name;
}

struct own_registry *own_registries(size_t *n)
{
	AUTO_FREE char *copy = copy_names();
	struct own_registry *registries = NULL;
	size_t capacity = 0;
	char *rest = copy;

	*n = 0;
	for (char *name; (name = next_name(&rest));) {
		GROW(registries, *n, capacity);
		registries[(*n)++] = read_one(name);
	}
	return registries;
}

static const char *missing(const struct own_registry *registry)
{
	if (!registry->ident)
		return "IDENT";
	if (!registry->password && (registry->user || !registry->proxy))
		return "PASS";
	return registry->user || !registry->password ? NULL : "USER";
}

char *own_registries_missing(void)
{
	AUTO_FREE char *copy = copy_names();
	char *rest = copy;

	for (char *name; (name = next_name(&rest));) {
		const struct own_registry registry = read_one(name);
		const char *what = missing(&registry);

		if (what)
			return format("DUCC_%s_%s", name, what);
	}
	return NULL;
}

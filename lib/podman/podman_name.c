/* The names of images in Podman's store: see podman_name.h. */
#include "podman/podman_name.h"

#include <errno.h>
#include <regex.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "format/reference.h"

#define HUB DOCKER_HUB "/"
#define DOCKER DOCKER_HUB_SHORT "/"

static bool matches(const char *value, const char *pattern)
{
	regex_t regex;
	bool match;

	if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		out_of_memory();
	errno = 0; /* glibc reports any failure as no match */
	match = !regexec(&regex, value, 0, NULL, 0);
	if (!match && errno == ENOMEM)
		out_of_memory();
	regfree(&regex);
	return match;
}

bool podman_name_is_valid(const char *name)
{
	static const char pattern[] =
		"^[a-z0-9]+(-+[a-z0-9]+)*(\\.[a-z0-9]+(-+[a-z0-9]+)*)*(:[0-9]+)?"
		"(/[a-z0-9]+((\\.|__?|-+)[a-z0-9]+)*)+"
		"(:[a-zA-Z0-9_][a-zA-Z0-9_.-]*)?(@sha256:[0-9a-f]{64})?$";
	size_t registry = strcspn(name, "/");

	return registry + strcspn(name + registry, ":@") <= 255 - strlen(DOCKER) &&
	       matches(name, pattern);
}

/* Replaces the registry in the name; NULL if the name does not begin with it. */
static char *exchange(const char *name, const char *registry, const char *other)
{
	size_t len = strlen(registry);

	return strncmp(name, registry, len) != 0 ? NULL : format("%s%s", other, name + len);
}

char *podman_name_to_podman(const char *name)
{
	return exchange(name, HUB, DOCKER);
}

char *podman_name_from_podman(const char *listed)
{
	return exchange(listed, DOCKER, HUB);
}

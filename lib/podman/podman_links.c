/* The short names of layers in Podman's store: see podman_links.h. */
#include "podman/podman_links.h"

#include "base/buffer.h"
#include "base/mem.h"
#include "repo/target.h"

#define ROOT "../../../../../../../../../.." /* from wherever a store may be */
#define HASHED 12                            /* letters of a name derived from an ID: 72 bits */
#define HASHED_EARLIER 26                    /* 130 bits, as in containers/storage */
#define LINK_LIMIT 8192                      /* bytes */

static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
static const char letters_earlier[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/* A name of `len` letters, at most SHA256_SIZE, derived from an ID. */
static char *hashed(const char *id, const char *alphabet, size_t len)
{
	struct hasher *hasher = hasher_new();
	uint8_t sha256[SHA256_SIZE];
	char *name = xcalloc(len + 1, 1);

	hasher_update(hasher, id, strlen(id));
	hasher_final(hasher, sha256);
	hasher_free(hasher);
	for (size_t i = 0; i < len; i++)
		name[i] = alphabet[sha256[i] % strlen(alphabet)];
	return name;
}

/* A number in base 64. */
static char *numbered(uint64_t number)
{
	char name[12];
	char *p = name + sizeof(name) - 1;

	*p = '\0';
	do {
		*--p = letters[number % 64];
		number /= 64;
	} while (number);
	return xstrdup(p);
}

static bool is_name(const char *name)
{
	return *name && !name[strspn(name, letters)];
}

/* The member of a layer; NULL: it was listed by an earlier version, or by others. */
static const char *short_name(const cJSON *layer)
{
	const char *name = podman_list_text(layer, PODMAN_LINK);

	return is_name(name) ? name : NULL;
}

/* --- numbers ---------------------------------------------------------- */

/* The number after that in the name of a layer; 0: it has none. */
static uint64_t number_after(const cJSON *layer)
{
	const char *name = short_name(layer);
	uint64_t number = 0;

	if (!name || strlen(name) >= HASHED)
		return 0;
	for (; *name; name++)
		number = number * 64 + (uint64_t)(strchr(letters, *name) - letters);
	return number + 1;
}

void podman_links_read(struct podman_links *links, const struct repository *repository,
		       const cJSON *layers)
{
	AUTO_FREE char *text = NULL;
	const cJSON *layer;
	size_t len = 0;

	*links = (struct podman_links){.repository = repository,
				       .root = repository->target->root(repository)};
	if (repository_read(repository, PODMAN_COUNT, LINK_LIMIT, &text, &len, NULL) == 1)
		links->given = strtoull(text, NULL, 10);
	cJSON_ArrayForEach(layer, layers)
	{
		uint64_t number = number_after(layer);

		if (number > links->given)
			links->given = number;
	}
}

void podman_links_free(struct podman_links *links)
{
	free(links->root);
	ducc_error_free(links->error);
}

char *podman_links_count(const struct podman_links *links)
{
	return links->root ? format("%" PRIu64 "\n", links->given) : NULL;
}

/* The next number for which there is no link; with links->error set, there may be one. */
static char *next_number(struct podman_links *links)
{
	for (;;) {
		AUTO_FREE char *name = numbered(links->given++);
		AUTO_FREE char *path = format(PODMAN_OVERLAY "/l/%s", name);
		int found = repository_find(links->repository, path);

		if (found < 0)
			error_errno(&links->error, errno, "%s", path);
		if (found <= 0)
			return STEAL(name);
	}
}

/* --- names ------------------------------------------------------------ */

/* The name in overlay/l that `link` of a published layer contains; NULL: none. */
static char *find_name(struct podman_links *links, const char *id)
{
	AUTO_FREE char *path = format(PODMAN_OVERLAY "/%s/link", id), *text = NULL;
	ducc_error *error = NULL;
	const char *slash, *name;
	size_t len = 0;
	int found = repository_read(links->repository, path, LINK_LIMIT, &text, &len, &error);

	if (found < 0)
		error_pass_failure(&links->error, error);
	if (found <= 0)
		return NULL;
	slash = strrchr(text, '/');
	name = slash ? slash + 1 : text;
	return is_name(name) ? xstrdup(name) : NULL;
}

void podman_links_name(struct podman_links *links, cJSON *layer)
{
	const char *id = podman_list_text(layer, "id");
	AUTO_FREE char *name = find_name(links, id);

	if (!name || strlen(name) > HASHED) {
		free(name);
		name = links->root ? next_number(links) : hashed(id, letters, HASHED);
	}
	json_set_string(layer, PODMAN_LINK, name);
}

char *podman_links_file(const cJSON *layer)
{
	const char *name = short_name(layer);

	return name ? xstrdup(name)
		    : hashed(podman_list_text(layer, "id"), letters_earlier, HASHED_EARLIER);
}

char *podman_links_lower(const struct podman_links *links, const cJSON *layer)
{
	AUTO_FREE char *name = podman_links_file(layer);

	if (!short_name(layer))
		return format("l/%s", name);
	return links->root ? format(ROOT "%s/" REPO_PODMAN_LINKS "/%s", links->root, name)
			   : format("../../" REPO_PODMAN_LINKS "/%s", name);
}

char *podman_links_link(const struct podman_links *links, const cJSON *layer)
{
	AUTO_FREE char *lower = podman_links_lower(links, layer);

	/* Podman prepends "l/" to it. */
	return short_name(layer) ? format("../%s", lower) : xstrdup(lower + strlen("l/"));
}

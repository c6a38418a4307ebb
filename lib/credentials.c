/* Credentials: see credentials.h. */
#include "credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>

#include "buffer.h"
#include "json.h"
#include "mem.h"
#include "path.h"

char *base64_encode(const void *data, size_t len)
{
	unsigned char *text = xmalloc((len + 2) / 3 * 4 + 1);

	EVP_EncodeBlock(text, data, (int)len);
	return (char *)text;
}

unsigned char *base64_decode(const char *text, size_t *len)
{
	size_t n = strlen(text), padding = 0;
	AUTO_FREE unsigned char *data = NULL;
	int decoded;

	if (n % 4 || n > (1 << 24))
		return NULL;
	while (padding < 2 && padding < n && text[n - 1 - padding] == '=')
		padding++;
	data = xcalloc(n / 4 * 3 + 1, 1);
	decoded = EVP_DecodeBlock(data, (const unsigned char *)text, (int)n);
	if (decoded < 0 || (size_t)decoded < padding)
		return NULL;
	*len = (size_t)decoded - padding;
	data[*len] = '\0';
	return STEAL(data);
}

static char *environment(const char *registry, const char *what)
{
	AUTO_FREE char *name = format("DUCC_%s_%s", registry, what);
	const char *value = getenv(name);

	return value ? xstrdup(value) : NULL;
}

/* True if `ident`, with or without a scheme and a last slash, names the registry. */
static bool names_registry(const char *ident, const char *registry)
{
	const char *separator = strstr(ident, "://");
	size_t len;

	if (separator)
		ident = separator + 3;
	len = strcspn(ident, "/");
	return strlen(registry) == len && !strncmp(ident, registry, len);
}

static bool from_environment(const struct reference *reference, char **user, char **password)
{
	const char *list = getenv("DUCC_AUTH_REGISTRIES");
	AUTO_FREE char *copy = list ? xstrdup(list) : NULL;
	char *rest = NULL;

	for (char *name = copy ? strtok_r(copy, ", ", &rest) : NULL; name;
	     name = strtok_r(NULL, ", ", &rest)) {
		AUTO_FREE char *ident = environment(name, "IDENT");

		if (!ident || !names_registry(ident, reference->registry))
			continue;
		*user = environment(name, "USER");
		*password = environment(name, "PASS");
		if (*user && *password)
			return true;
		free(*user);
		free(*password);
		*user = *password = NULL;
	}
	return false;
}

/* Splits base64(USER:PASSWORD). */
static int decode(const char *text, char **user, char **password, ducc_error **err)
{
	size_t len = 0;
	AUTO_FREE unsigned char *plain = base64_decode(text, &len);
	const char *colon = plain ? strchr((const char *)plain, ':') : NULL;

	if (!colon)
		return error_set(err, "\"auth\" is not base64 of user:password");
	*user = xstrndup((const char *)plain, (size_t)(colon - (const char *)plain));
	*password = xstrdup(colon + 1);
	return 1;
}

/* The entry for a key as it is, or as older Docker versions wrote it (https://HOST/v1/). */
static const cJSON *find_entry(const cJSON *auths, const char *key)
{
	const cJSON *entry = cJSON_GetObjectItemCaseSensitive(auths, key);

	if (entry || strchr(key, '/'))
		return entry;
	cJSON_ArrayForEach(entry, auths)
	{
		if (strstr(entry->string, "://") && names_registry(entry->string, key))
			return entry;
	}
	return NULL;
}

static int from_json(const cJSON *json, const struct reference *reference, char **user,
		     char **password, ducc_error **err)
{
	AUTO_FREE char *key = format("%s/%s", reference->registry, reference->repository);
	const cJSON *auths;

	if (json_find_object(json, "auths", &auths, err) < 0)
		return -1;
	for (;;) {
		const cJSON *entry = find_entry(auths, key);
		const char *auth;
		char *slash;

		if (cJSON_IsObject(entry)) {
			if (json_find_string(entry, "auth", &auth, err) < 0)
				return error_wrap(err, "%s", key);
			if (auth && *auth) {
				int result = decode(auth, user, password, err);

				return result < 0 ? error_wrap(err, "%s", key) : result;
			}
		}
		slash = strrchr(key, '/');
		if (!slash)
			return 0;
		*slash = '\0';
	}
}

/* 1 if the file has credentials, 0 if it is not there or has none for us. */
static int from_file(const char *path, const struct reference *reference, char **user,
		     char **password, ducc_error **err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	AUTO_FREE char *data = NULL;
	AUTO_JSON *json = NULL;
	size_t len;
	int found;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0
							   : error_errno(err, errno, "%s", path);
	if (read_file(fd, JSON_LIMIT, &data, &len, err) < 0)
		return error_wrap(err, "%s", path);
	json = json_parse(data, len, path, err);
	if (!json)
		return -1;
	found = from_json(json, reference, user, password, err);
	return found < 0 ? error_wrap(err, "%s", path) : found;
}

int credentials_find(const struct reference *reference, char **user, char **password,
		     ducc_error **err)
{
	/* Each file's place: a variable, and what follows its value. */
	static const struct {
		const char *variable, *suffix;
	} files[] = {
		{"REGISTRY_AUTH_FILE", ""},
		{"XDG_RUNTIME_DIR", "/containers/auth.json"},
		{"DOCKER_CONFIG", "/config.json"},
		{"HOME", "/.docker/config.json"},
	};
	int found = 0;

	*user = *password = NULL;
	if (from_environment(reference, user, password))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(files) && !found; i++) {
		const char *value = getenv(files[i].variable);
		AUTO_FREE char *path = NULL;

		if (!value || !*value)
			continue;
		path = format("%s%s", value, files[i].suffix);
		found = from_file(path, reference, user, password, err);
	}
	return found < 0 ? -1 : 0;
}

/* Credentials: see credentials.h. */
#include "net/credentials.h"

#include <errno.h>
#include <fcntl.h>

#include <pthread.h>

#include "base/base64.h"
#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/strmap.h"
#include "format/json.h"
#include "net/credential_helper.h"
#include "net/own_registries.h"

void secret_free(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

void credentials_free(struct credentials *credentials)
{
	free(credentials->user);
	secret_free(credentials->password);
	secret_free(credentials->identity_token);
	secret_free(credentials->registry_token);
	*credentials = (struct credentials){0};
}

/* Each file's location: a variable and a suffix to its value. */
static const struct {
	const char *variable, *suffix;
} files[] = {
	{"REGISTRY_AUTH_FILE", ""},
	{"XDG_RUNTIME_DIR", "/containers/auth.json"},
	{"XDG_CONFIG_HOME", "/containers/auth.json"},
	{"HOME", "/.config/containers/auth.json"},
	{"DOCKER_CONFIG", "/config.json"},
	{"HOME", "/.docker/config.json"},
};

struct keyring {
	pthread_mutex_t mutex;
	struct {
		bool read;
		cJSON *json; /* NULL: the file does not exist */
	} files[ARRAY_LEN(files)];
	struct strmap answers; /* "HELPER SERVER" -> struct buffer, empty: no credentials */
};

struct keyring *keyring_new(void)
{
	struct keyring *keyring = xcalloc(1, sizeof(*keyring));

	pthread_mutex_init(&keyring->mutex, NULL);
	return keyring;
}

static void free_answer(void *answer)
{
	struct buffer *text = answer;

	if (text->data)
		explicit_bzero(text->data, text->len);
	buffer_free(text);
	free(text);
}

void keyring_free(struct keyring *keyring)
{
	if (!keyring)
		return;
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		cJSON_Delete(keyring->files[i].json);
	strmap_free_values(&keyring->answers, free_answer);
	pthread_mutex_destroy(&keyring->mutex);
	free(keyring);
}

/* --- the environment -------------------------------------------------- */

static bool from_environment(const struct reference *reference, struct credentials *found)
{
	size_t n;
	AUTO_FREE struct own_registry *own = own_registries(&n);

	for (size_t i = 0; i < n; i++) {
		const struct own_registry *each = &own[i];

		/* The registry's proxy receives the same credentials. */
		if ((!each->ident || !registry_is_named(each->ident, reference->registry)) &&
		    (!each->proxy || !registry_is_named(each->proxy, reference->registry)))
			continue;
		if (!each->user || !each->password)
			continue;
		found->user = xstrdup(each->user);
		found->password = xstrdup(each->password);
		return true;
	}
	return false;
}

/* --- helpers ---------------------------------------------------------- */

static const struct buffer *ask_helper(struct keyring *keyring, const char *helper,
				       const char *server, ducc_error **err)
{
	AUTO_FREE char *key = format("%s %s", helper, server);
	struct buffer *answer = strmap_get(&keyring->answers, key);
	int result;

	if (answer)
		return answer;
	answer = xcalloc(1, sizeof(*answer));
	result = credential_helper_get(helper, server, answer, err);
	if (result < 0) {
		free_answer(answer);
		return NULL;
	}
	if (!result)
		buffer_reset(answer);
	strmap_put(&keyring->answers, key, answer);
	return answer;
}

/* 1 if the helper has credentials, 0 if not. */
static int from_helper(struct keyring *keyring, const char *helper, const char *server,
		       struct credentials *found, ducc_error **err)
{
	const struct buffer *answer = ask_helper(keyring, helper, server, err);
	AUTO_JSON *json = NULL;
	const char *user, *secret;

	if (!answer)
		return -1;
	if (!answer->len)
		return 0;
	json = json_parse(answer->data, answer->len, "answer", err);
	if (!json || json_find_string(json, "Username", &user, err) < 0 ||
	    json_find_string(json, "Secret", &secret, err) < 0)
		return error_wrap(err, "docker-credential-%s", helper);
	if (!user || !secret || !*secret)
		return 0;
	if (!strcmp(user, "<token>")) {
		found->identity_token = xstrdup(secret);
		return 1;
	}
	found->user = xstrdup(user);
	found->password = xstrdup(secret);
	return 1;
}

/* --- files ------------------------------------------------------------ */

/* Decodes base64(USER:PASSWORD). */
static int decode(const char *text, struct credentials *found, ducc_error **err)
{
	size_t len = 0;
	unsigned char *plain = base64_decode(text, &len);
	const char *colon = plain ? strchr((const char *)plain, ':') : NULL;

	if (colon) {
		found->user = xstrndup((const char *)plain, (size_t)(colon - (const char *)plain));
		found->password = xstrdup(colon + 1);
	}
	secret_free((char *)plain);
	return colon ? 1 : error_set(err, "\"auth\" is not base64 of user:password");
}

/* The entry for a key as given, or as older Docker versions wrote it (https://HOST/v1/). */
static const cJSON *find_entry(const cJSON *auths, const char *key)
{
	const cJSON *entry = cJSON_GetObjectItemCaseSensitive(auths, key);

	if (entry || strchr(key, '/'))
		return entry;
	cJSON_ArrayForEach(entry, auths)
	{
		if (strstr(entry->string, "://") && registry_is_named(entry->string, key))
			return entry;
	}
	return NULL;
}

static char *copy_member(const cJSON *entry, const char *key)
{
	const char *text = json_text(entry, key);

	return text && *text ? xstrdup(text) : NULL;
}

static int from_entry(const cJSON *entry, struct credentials *found, ducc_error **err)
{
	const char *auth;

	if (!cJSON_IsObject(entry))
		return 0;
	found->identity_token = copy_member(entry, "identitytoken");
	found->registry_token = copy_member(entry, "registrytoken");
	if (found->identity_token || found->registry_token)
		return 1;
	if (json_find_string(entry, "auth", &auth, err) < 0)
		return -1;
	return auth && *auth ? decode(auth, found, err) : 0;
}

/* Looks up HOST/a/b/c, HOST/a/b, HOST/a, HOST. */
static int from_auths(const cJSON *auths, const char *host, const char *repository,
		      struct credentials *found, ducc_error **err)
{
	AUTO_FREE char *key = format("%s/%s", host, repository);

	for (;;) {
		int result = from_entry(find_entry(auths, key), found, err);
		char *slash;

		if (result)
			return result < 0 ? error_wrap(err, "%s", key) : result;
		slash = strrchr(key, '/');
		if (!slash)
			return 0;
		*slash = '\0';
	}
}

static int from_json(struct keyring *keyring, const cJSON *json, const char *host,
		     const char *repository, struct credentials *found, ducc_error **err)
{
	const cJSON *auths, *helpers;
	const char *helper, *store;
	/* Docker stores Docker Hub's credentials under this name. */
	const char *server =
		!strcmp(host, DOCKER_HUB_INDEX) ? "https://" DOCKER_HUB_INDEX "/v1/" : host;
	int result = 0;

	if (json_find_object(json, "auths", &auths, err) < 0 ||
	    json_find_object(json, "credHelpers", &helpers, err) < 0 ||
	    json_find_string(json, "credsStore", &store, err) < 0)
		return -1;
	helper = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(helpers, host));
	if (helper && *helper)
		result = from_helper(keyring, helper, server, found, err);
	if (!result)
		result = from_auths(auths, host, repository, found, err);
	if (!result && store && *store && !(helper && *helper))
		result = from_helper(keyring, store, server, found, err);
	return result;
}

/* The file's JSON, or NULL if the file does not exist. */
static int read_json(const char *path, cJSON **json, ducc_error **err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *data = NULL;
	size_t len;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0
							   : error_errno(err, errno, "%s", path);
	if (read_file(fd, JSON_LIMIT, &data, &len, err) < 0)
		return error_wrap(err, "%s", path);
	*json = json_parse(data, len, path, err);
	explicit_bzero(data, len);
	free(data);
	return *json ? 0 : -1;
}

/* 1 if the file has matching credentials, 0 if it is missing or has none. */
static int from_file(struct keyring *keyring, size_t i, const struct reference *reference,
		     struct credentials *found, ducc_error **err)
{
	const char *value = getenv(files[i].variable), *own[2];
	AUTO_FREE char *path = NULL;

	if (!value || !*value)
		return 0;
	path = format("%s%s", value, files[i].suffix);
	if (!keyring->files[i].read && read_json(path, &keyring->files[i].json, err) < 0)
		return -1;
	keyring->files[i].read = true;
	if (!keyring->files[i].json)
		return 0;
	for (const char *const *name = registry_names(reference->registry, own); *name; name++) {
		int result = from_json(keyring, keyring->files[i].json, *name,
				       reference->repository, found, err);

		if (result)
			return result < 0 ? error_wrap(err, "%s", path) : result;
	}
	return 0;
}

int keyring_find(struct keyring *keyring, const struct reference *reference,
		 struct credentials *credentials, ducc_error **err)
{
	int found;

	*credentials = (struct credentials){0};
	if (from_environment(reference, credentials))
		return 0;
	found = 0;
	pthread_mutex_lock(&keyring->mutex);
	for (size_t i = 0; i < ARRAY_LEN(files) && !found; i++)
		found = from_file(keyring, i, reference, credentials, err);
	pthread_mutex_unlock(&keyring->mutex);
	if (found < 0)
		credentials_free(credentials);
	return found < 0 ? error_wrap(err, "credentials") : 0;
}

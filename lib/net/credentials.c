/* Credentials: see credentials.h. */
#include "net/credentials.h"

#include <errno.h>
#include <fcntl.h>

#include <pthread.h>

#include "base/base64.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/home.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/strmap.h"
#include "format/json.h"
#include "net/credential_helper.h"
#include "net/http.h"
#include "net/own_registries.h"

#define SILENCE 10 /* times $DUCC_TIMEOUT, for which a helper that has not answered is left alone */

void secret_free(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

void credentials_free(struct credentials *credentials)
{
	free(credentials->origin);
	free(credentials->user);
	secret_free(credentials->password);
	secret_free(credentials->identity_token);
	secret_free(credentials->registry_token);
	*credentials = (struct credentials){0};
}

struct auth_file {
	char *path;
	bool implicit; /* no variable names it: others may own its directory */
	bool read;
	cJSON *json; /* NULL: the file does not exist */
};

/* Of a helper. */
struct answer {
	struct buffer text;  /* empty: no credentials */
	ducc_error *silence; /* NULL, or there was none, and it is not asked again ... */
	double until;        /* ... before this time, on the monotonic clock */
};

struct keyring {
	pthread_mutex_t mutex;
	struct context *context;
	struct auth_file *files; /* in the order to try */
	size_t n, capacity;
	struct helper_agent *agent; /* or NULL */
	struct strmap answers;      /* "HELPER SERVER" -> struct answer */
	bool warned;                /* of what is missing in the environment */
};

/* Takes ownership of the path. */
static void add_file(struct keyring *keyring, char *path, bool implicit)
{
	GROW(keyring->files, keyring->n, keyring->capacity);
	keyring->files[keyring->n++] = (struct auth_file){.path = path, .implicit = implicit};
}

/* Adds a file in the directory that a variable names; false if none does. */
static bool add_variable(struct keyring *keyring, const char *variable, const char *suffix)
{
	const char *value = getenv(variable);

	if (!value || !*value)
		return false;
	add_file(keyring, format("%s%s", value, suffix), false);
	return true;
}

/* Where `podman login`, `skopeo login` and `docker login` write. */
static void add_files(struct keyring *keyring)
{
	AUTO_FREE char *home = home_directory();
	unsigned uid = geteuid();

	add_variable(keyring, "REGISTRY_AUTH_FILE", "");
	if (!add_variable(keyring, "XDG_RUNTIME_DIR", "/containers/auth.json")) {
		add_file(keyring, format("/run/containers/%u/auth.json", uid), true);
		add_file(keyring, format("/run/user/%u/containers/auth.json", uid), true);
	}
	add_variable(keyring, "XDG_CONFIG_HOME", "/containers/auth.json");
	if (home)
		add_file(keyring, format("%s/.config/containers/auth.json", home), false);
	add_variable(keyring, "DOCKER_CONFIG", "/config.json");
	if (home)
		add_file(keyring, format("%s/.docker/config.json", home), false);
}

struct keyring *keyring_new(struct context *context)
{
	struct keyring *keyring = xcalloc(1, sizeof(*keyring));

	pthread_mutex_init(&keyring->mutex, NULL);
	keyring->context = context;
	add_files(keyring);
	return keyring;
}

int keyring_start_agent(struct keyring *keyring, ducc_error **err)
{
	if (!keyring->agent)
		keyring->agent = helper_agent_start(err);
	return keyring->agent ? 0 : -1;
}

static void free_answer(void *data)
{
	struct answer *answer = data;

	if (answer->text.data)
		explicit_bzero(answer->text.data, answer->text.len);
	buffer_free(&answer->text);
	ducc_error_free(answer->silence);
	free(answer);
}

void keyring_free(struct keyring *keyring)
{
	if (!keyring)
		return;
	for (size_t i = 0; i < keyring->n; i++) {
		free(keyring->files[i].path);
		cJSON_Delete(keyring->files[i].json);
	}
	free(keyring->files);
	helper_agent_stop(keyring->agent);
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

		if (!each->ident || !registry_is_named(each->ident, reference->registry) ||
		    !each->user || !each->password)
			continue;
		found->user = xstrdup(each->user);
		found->password = xstrdup(each->password);
		found->origin = xstrdup(OWN_REGISTRIES);
		return true;
	}
	return false;
}

/* --- helpers ---------------------------------------------------------- */

/* Asks the helper; what it answers is kept, and also for a while that it does not answer. */
static struct answer *ask_helper(struct keyring *keyring, const char *helper, const char *server)
{
	struct answer *answer = xcalloc(1, sizeof(*answer));
	int result = keyring_start_agent(keyring, &answer->silence);

	if (!result)
		result = credential_helper_get(keyring->agent, keyring->context, helper, server,
					       &answer->text, &answer->silence);
	if (result <= 0)
		buffer_reset(&answer->text);
	if (result < 0 && ducc_error_kind(answer->silence) == DUCC_TRANSIENT)
		answer->until = clock_monotonic() + SILENCE * (double)http_stall_time();
	/* The image's error may be that of a later request, for which there is no time, either. */
	if (result < 0 && ducc_error_kind(answer->silence) == DUCC_LIMIT)
		context_notice(keyring->context, DUCC_WARNING, "%s",
			       ducc_error_message(answer->silence));
	return answer;
}

static const struct buffer *helper_answer(struct keyring *keyring, const char *helper,
					  const char *server, ducc_error **err)
{
	AUTO_FREE char *key = format("%s %s", helper, server);
	struct answer *answer = strmap_get(&keyring->answers, key), *old;

	if (!answer || (answer->silence && clock_monotonic() >= answer->until)) {
		answer = ask_helper(keyring, helper, server);
		old = strmap_put(&keyring->answers, key, answer);
		if (old)
			free_answer(old);
	}
	if (!answer->silence)
		return &answer->text;
	error_give(err, error_copy(answer->silence));
	return NULL;
}

/* 1 if the helper has credentials, 0 if not. */
static int from_helper(struct keyring *keyring, const char *helper, const char *server,
		       struct credentials *found, ducc_error **err)
{
	const struct buffer *answer = helper_answer(keyring, helper, server, err);
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

/* Reads the file; its JSON stays NULL if it does not exist. */
static int read_json(struct auth_file *file, ducc_error **err)
{
	AUTO_CLOSE int fd = open(file->path, O_RDONLY | O_CLOEXEC);
	char *data = NULL;
	size_t len;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR || (errno == EACCES && file->implicit)
			       ? 0
			       : error_errno(err, errno, "%s", file->path);
	if (read_file(fd, JSON_LIMIT, &data, &len, err) < 0)
		return error_wrap(err, "%s", file->path);
	file->json = json_parse(data, len, file->path, err);
	explicit_bzero(data, len);
	free(data);
	return file->json ? 0 : -1;
}

/* 1 if the file has matching credentials, 0 if it is missing or has none. */
static int from_file(struct keyring *keyring, struct auth_file *file,
		     const struct reference *reference, struct credentials *found, ducc_error **err)
{
	const char *own[2];

	if (!file->read && read_json(file, err) < 0)
		return -1;
	file->read = true;
	if (!file->json)
		return 0;
	for (const char *const *name = registry_names(reference->registry, own); *name; name++) {
		int result =
			from_json(keyring, file->json, *name, reference->repository, found, err);

		if (result < 0)
			return error_wrap(err, "%s", file->path);
		if (result) {
			found->origin = xstrdup(file->path);
			return 1;
		}
	}
	return 0;
}

static int from_files(struct keyring *keyring, const struct reference *reference,
		      struct credentials *found, ducc_error **err)
{
	int result = 0;

	for (size_t i = 0; i < keyring->n && !result; i++) {
		struct auth_file *file = &keyring->files[i];

		result = from_file(keyring, file, reference, found, err);
		if (keyring->context && result >= 0)
			context_notice(keyring->context, DUCC_DEBUG,
				       "credentials for %s/%s: %s: %s", reference->registry,
				       reference->repository, file->path,
				       result       ? "found"
				       : file->json ? "no entry"
						    : "no such file");
	}
	return result;
}

/* Once, when credentials are needed. */
static void warn_of_missing(struct keyring *keyring)
{
	AUTO_FREE char *variable = keyring->warned ? NULL : own_registries_missing();

	keyring->warned = true;
	if (variable && keyring->context)
		context_notice(keyring->context, DUCC_WARNING, OWN_REGISTRIES ": %s is not set",
			       variable);
}

int keyring_find(struct keyring *keyring, const struct reference *reference,
		 struct credentials *credentials, ducc_error **err)
{
	int found;

	*credentials = (struct credentials){0};
	if (from_environment(reference, credentials))
		return 0;
	pthread_mutex_lock(&keyring->mutex);
	warn_of_missing(keyring);
	found = from_files(keyring, reference, credentials, err);
	pthread_mutex_unlock(&keyring->mutex);
	if (found < 0)
		credentials_free(credentials);
	return found < 0 ? error_wrap(err, "credentials") : 0;
}

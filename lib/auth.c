/* Authentication to a registry: see auth.h. */
#include "auth.h"

#include <ctype.h>
#include <pthread.h>
#include <strings.h>

#include "credentials.h"
#include "json.h"
#include "mem.h"

struct auth {
	pthread_mutex_t mutex;
	struct buffer scopes; /* &scope=..., for a query */
	char *basic;          /* "Basic ..." from the credentials, or NULL */
	char *header;         /* what to send now, or NULL */
	unsigned generation;  /* how often `header` was replaced */
};

static void add_scope(struct auth *auth, const char *repository, const char *actions)
{
	AUTO_FREE char *scope = format("repository:%s:%s", repository, actions);
	AUTO_FREE char *escaped = http_escape(scope);

	buffer_addf(&auth->scopes, "&scope=%s", escaped);
}

static char *basic_header(const char *user, const char *password)
{
	AUTO_FREE char *plain = format("%s:%s", user, password);
	AUTO_FREE char *encoded = base64_encode(plain, strlen(plain));

	return format("Basic %s", encoded);
}

struct auth *auth_new(const struct reference *reference, enum registry_access access,
		      const char *user, const char *password, ducc_error **err)
{
	struct auth *auth;
	AUTO_FREE char *found_user = NULL, *found_password = NULL;

	if (!user && credentials_find(reference, &found_user, &found_password, err) < 0) {
		error_wrap(err, "credentials");
		return NULL;
	}
	auth = xcalloc(1, sizeof(*auth));
	pthread_mutex_init(&auth->mutex, NULL);
	add_scope(auth, reference->repository, access == REGISTRY_PUSH ? "pull,push" : "pull");
	if (user && password)
		auth->basic = basic_header(user, password);
	else if (found_user && found_password)
		auth->basic = basic_header(found_user, found_password);
	return auth;
}

void auth_allow_pull(struct auth *auth, const char *repository)
{
	AUTO_FREE char *scope = format("repository:%s:pull", repository);
	AUTO_FREE char *escaped = http_escape(scope);

	pthread_mutex_lock(&auth->mutex);
	if (!strstr(auth->scopes.data, escaped)) {
		add_scope(auth, repository, "pull");
		free(auth->header);
		auth->header = NULL;
		auth->generation++;
	}
	pthread_mutex_unlock(&auth->mutex);
}

void auth_free(struct auth *auth)
{
	if (!auth)
		return;
	pthread_mutex_destroy(&auth->mutex);
	buffer_free(&auth->scopes);
	free(auth->basic);
	free(auth->header);
	free(auth);
}

char *auth_header(struct auth *auth, unsigned *generation)
{
	char *header;

	pthread_mutex_lock(&auth->mutex);
	header = auth->header ? xstrdup(auth->header) : NULL;
	*generation = auth->generation;
	pthread_mutex_unlock(&auth->mutex);
	return header;
}

/*
 * The value of a parameter in `Bearer realm="...",service="..."` (RFC 9110,
 * section 11.2), or NULL; the caller frees it.
 */
static char *parameter(const char *challenge, const char *name)
{
	const char *p = strchr(challenge, ' ');

	while (p && *p) {
		struct buffer value = {0};
		const char *key;
		size_t len;

		p += strspn(p, " \t,");
		key = p;
		len = strcspn(p, "= \t,");
		p += len;
		p += strspn(p, " \t");
		if (*p != '=')
			continue;
		p++;
		p += strspn(p, " \t");
		if (*p == '"') {
			for (p++; *p && *p != '"'; p++) {
				if (*p == '\\' && p[1])
					p++;
				buffer_addc(&value, *p);
			}
			if (*p)
				p++;
		} else {
			size_t token = strcspn(p, " \t,");

			buffer_add(&value, p, token);
			p += token;
		}
		if (len == strlen(name) && !strncasecmp(key, name, len))
			return buffer_steal(&value);
		buffer_free(&value);
	}
	return NULL;
}

/* Asks the token server; *header becomes "Bearer TOKEN". */
static int get_token(const struct auth *auth, struct http *http, const char *challenge,
		     char **header, ducc_error **err)
{
	AUTO_FREE char *realm = parameter(challenge, "realm");
	AUTO_FREE char *service = parameter(challenge, "service");
	AUTO_BUFFER url = {0};
	AUTO_JSON *json = NULL;
	struct http_response response = {0};
	const char *token;
	int result;

	if (!realm || (strncmp(realm, "https://", 8) != 0 && strncmp(realm, "http://", 7) != 0))
		return error_set(err, "the registry asks for a token, but not where from");
	buffer_addf(&url, "%s%c%s", realm, strchr(realm, '?') ? '&' : '?', auth->scopes.data + 1);
	if (service) {
		AUTO_FREE char *escaped_service = http_escape(service);

		buffer_addf(&url, "&service=%s", escaped_service);
	}
	result = http_perform(http,
			      &(struct http_request){.url = url.data,
						     .authorization = auth->basic,
						     .limit = JSON_LIMIT},
			      &response, NULL, err);
	if (!result && response.status != 200)
		result = http_status_error(&response, err);
	if (!result) {
		json = json_parse(response.body.data, response.body.len, "token", err);
		result = !json || json_find_string(json, "token", &token, err) < 0 ||
					 (!token &&
					  json_get_string(json, "access_token", &token, err) < 0)
				 ? -1
				 : 0;
	}
	if (!result && strpbrk(token, "\r\n"))
		result = error_set(err, "token holds a line break");
	if (!result)
		*header = format("Bearer %s", token);
	http_response_free(&response);
	return result < 0 ? error_wrap(err, "token server %s", realm) : 0;
}

int auth_challenge(struct auth *auth, struct http *http, const char *challenge, unsigned generation,
		   ducc_error **err)
{
	char *header = NULL;
	int result = 0;

	pthread_mutex_lock(&auth->mutex);
	if (auth->generation != generation) {
		result = 1;
	} else if (challenge && !strncasecmp(challenge, "Bearer ", 7)) {
		result = get_token(auth, http, challenge, &header, err) < 0 ? -1 : 1;
	} else if (challenge && !strncasecmp(challenge, "Basic", 5) && auth->basic &&
		   !auth->header) {
		header = xstrdup(auth->basic);
		result = 1;
	}
	if (header) {
		free(auth->header);
		auth->header = header;
		auth->generation++;
	}
	pthread_mutex_unlock(&auth->mutex);
	return result;
}

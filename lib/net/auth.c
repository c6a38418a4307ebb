/* Authentication to a registry: see auth.h. */
#include "net/auth.h"

#include <ctype.h>
#include <pthread.h>
#include <strings.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "format/json.h"
#include "format/url.h"
#include "net/challenge.h"

#define DEFAULT_LIFE 60 /* seconds, for a token without expires_in */
#define MARGIN 10       /* seconds before expiry during which a token is not used */
#define CLIENT_ID "ducc"

struct auth {
	pthread_mutex_t mutex;
	struct reference reference;
	struct keyring *keyring;
	struct buffer scopes; /* &scope=..., for a query */
	struct credentials credentials;
	bool looked_up;      /* the credentials */
	char *challenge;     /* the last one, or NULL */
	bool learned;        /* it was that of another repository */
	bool asked;          /* for a challenge, see auth_may_ask() */
	char *header;        /* what to send now, or NULL */
	double expires;      /* on the monotonic clock; 0: never */
	unsigned generation; /* the number of times that `header` was replaced */
};

/* Adds a scope to those in the query, unless they include it, maybe with more actions. */
static bool add_scope(struct buffer *scopes, const char *scope)
{
	AUTO_FREE char *escaped = url_escape(scope);
	AUTO_FREE char *parameter = format("&scope=%s", escaped);
	const char *found = scopes->len ? strstr(scopes->data, parameter) : NULL;

	if (found && strchr("&%", found[strlen(parameter)])) /* or the end; %2C is a comma */
		return false;
	buffer_adds(scopes, parameter);
	return true;
}

static bool add_repository(struct auth *auth, const char *repository, const char *actions)
{
	AUTO_FREE char *scope = format("repository:%s:%s", repository, actions);

	return add_scope(&auth->scopes, scope);
}

struct auth *auth_new(const struct reference *reference, const struct login *login,
		      struct keyring *keyring)
{
	struct auth *auth = xcalloc(1, sizeof(*auth));

	pthread_mutex_init(&auth->mutex, NULL);
	auth->reference.registry = xstrdup(reference->registry);
	auth->reference.repository = xstrdup(reference->repository);
	auth->reference.scheme = xstrdup(reference->scheme);
	auth->keyring = keyring;
	add_repository(auth, reference->repository, login->push ? "pull,push" : "pull");
	if (login->user && login->password) {
		auth->credentials.user = xstrdup(login->user);
		auth->credentials.password = xstrdup(login->password);
		auth->credentials.origin =
			xstrdup(login->origin ? login->origin : "the environment");
		auth->looked_up = true;
	}
	return auth;
}

void auth_free(struct auth *auth)
{
	if (!auth)
		return;
	pthread_mutex_destroy(&auth->mutex);
	reference_free(&auth->reference);
	buffer_free(&auth->scopes);
	credentials_free(&auth->credentials);
	free(auth->challenge);
	secret_free(auth->header);
	free(auth);
}

static void set_header(struct auth *auth, char *header, double expires)
{
	secret_free(auth->header);
	auth->header = header;
	auth->expires = expires;
	auth->generation++;
}

void auth_allow_pull(struct auth *auth, const char *repository)
{
	pthread_mutex_lock(&auth->mutex);
	if (add_repository(auth, repository, "pull"))
		set_header(auth, NULL, 0);
	pthread_mutex_unlock(&auth->mutex);
}

void auth_learn(struct auth *auth, struct auth *other)
{
	char *challenge;

	pthread_mutex_lock(&other->mutex);
	challenge = other->challenge ? xstrdup(other->challenge) : NULL;
	pthread_mutex_unlock(&other->mutex);
	pthread_mutex_lock(&auth->mutex);
	free(auth->challenge);
	auth->challenge = challenge;
	auth->learned = true;
	pthread_mutex_unlock(&auth->mutex);
}

/* --- Basic ------------------------------------------------------------ */

static char *basic_header(const struct credentials *credentials)
{
	char *plain, *encoded, *header;

	if (!credentials->user || !credentials->password)
		return NULL;
	plain = format("%s:%s", credentials->user, credentials->password);
	encoded = base64_encode(plain, strlen(plain));
	header = format("Basic %s", encoded);
	secret_free(plain);
	secret_free(encoded);
	return header;
}

/* --- Bearer ----------------------------------------------------------- */

struct token {
	char *header; /* "Bearer ..." */
	double expires;
};

struct token_server {
	char *realm, *service; /* service NULL: none */
	struct buffer scopes;  /* to request, like those of struct auth */
};

static void token_server_free(struct token_server *server)
{
	free(server->realm);
	free(server->service);
	buffer_free(&server->scopes);
}

/* True if the query has a scope of the same resource, whatever its actions and their order. */
static bool has_resource(const struct buffer *scopes, const char *scope)
{
	const char *colon = strrchr(scope, ':');
	AUTO_FREE char *resource =
		xstrndup(scope, colon ? (size_t)(colon - scope) + 1 : strlen(scope));
	AUTO_FREE char *escaped = url_escape(resource), *parameter = format("&scope=%s", escaped);

	return scopes->len && strstr(scopes->data, parameter);
}

/*
 * Adds the scopes of the challenge, separated by blanks, to those that are requested anyway,
 * if they are of other resources: the registry serves the repository under another name.
 */
static void add_scopes(struct token_server *server, const struct auth *auth)
{
	AUTO_FREE char *challenged = challenge_parameter(auth->challenge, "Bearer", "scope");
	char *rest = NULL, *scope;

	buffer_adds(&server->scopes, auth->scopes.data);
	if (!challenged || auth->learned)
		return;
	for (scope = strtok_r(challenged, " ", &rest); scope; scope = strtok_r(NULL, " ", &rest))
		if (!has_resource(&server->scopes, scope))
			add_scope(&server->scopes, scope);
}

static int parse_challenge(struct token_server *server, const struct auth *auth, ducc_error **err)
{
	const struct reference *reference = &auth->reference;
	const char *challenge = auth->challenge;
	AUTO_FREE char *host = NULL;

	server->realm = challenge_parameter(challenge, "Bearer", "realm");
	server->service = challenge_parameter(challenge, "Bearer", "service");
	add_scopes(server, auth);
	if (!server->realm || !url_is_http(server->realm))
		return error_set(err, "registry requires a token but names no token server");
	server->realm[strcspn(server->realm, "#")] = '\0'; /* a fragment would take the scopes in */
	host = url_authority(server->realm);
	/* Do not send the password in clear text. */
	if (!strcmp(reference->scheme, "https") && strncmp(server->realm, "https:", 6) != 0 &&
	    (!host || !registry_is_loopback(host)))
		return error_set(err, "token server does not use https");
	return 0;
}

static int read_token(struct token *token, const struct buffer *body, ducc_error **err)
{
	AUTO_JSON *json = json_parse(body->data, body->len, "token", err);
	const char *text;
	uint64_t life;

	/* An empty token counts as missing. */
	if (!json || json_find_string(json, "token", &text, err) < 0 ||
	    ((!text || !*text) && json_get_string(json, "access_token", &text, err) < 0))
		return -1;
	if (!text_is_plain(text))
		return error_set(err, "token contains a control character");
	if (json_get_size(json, "expires_in", &life, NULL) < 0)
		life = DEFAULT_LIFE;
	token->header = format("Bearer %s", text);
	token->expires = clock_monotonic() + (double)(life > MARGIN ? life - MARGIN : life / 2);
	return 0;
}

/* 0 with a token, or -1; *status is the HTTP status, 0 without a response. */
static int ask(struct http *http, const struct http_request *request, struct token *token,
	       bool *transient, long *status, ducc_error **err)
{
	struct http_response response = {0};
	int result = http_perform(http, request, &response, transient, err);

	*status = result < 0 ? 0 : response.status;
	if (!result && response.status != 200) {
		*transient = http_status_is_transient(response.status);
		result = http_status_error(&response, err);
	}
	if (!result)
		result = http_refuse_page(&response, err);
	if (!result)
		result = read_token(token, &response.body, err);
	if (response.body.data)
		explicit_bzero(response.body.data, response.body.len);
	http_response_free(&response);
	return result;
}

/* With user and password (`basic`), or anonymously. */
static int get_token(const struct token_server *server, struct http *http, const char *basic,
		     struct token *token, bool *transient, long *status, ducc_error **err)
{
	AUTO_FREE char *service = server->service ? url_escape(server->service) : NULL;
	AUTO_FREE char *url =
		format("%s%c%s%s%s", server->realm, strchr(server->realm, '?') ? '&' : '?',
		       server->scopes.data + 1, service ? "&service=" : "", service ? service : "");
	struct http_request request = {.url = url, .authorization = basic, .limit = JSON_LIMIT};

	return ask(http, &request, token, transient, status, err);
}

/* With an identity token: OAuth2's grant type refresh_token (RFC 6749, section 6). */
static int post_for_token(const struct auth *auth, const struct token_server *server,
			  struct http *http, struct token *token, bool *transient, long *status,
			  ducc_error **err)
{
	AUTO_FREE char *service = server->service ? url_escape(server->service) : NULL;
	char *secret = url_escape(auth->credentials.identity_token);
	AUTO_BUFFER scopes = {0};
	char *body;
	struct http_request request = {.method = "POST",
				       .url = server->realm,
				       .content_type = "application/x-www-form-urlencoded",
				       .limit = JSON_LIMIT};
	int result;

	/* In a POST, the scopes are one parameter, separated by spaces. */
	for (const char *p = server->scopes.data; *p;) {
		size_t len;

		p += strlen("&scope=");
		len = strcspn(p, "&");
		buffer_addf(&scopes, "%s%.*s", scopes.len ? "%20" : "", (int)len, p);
		p += len;
	}
	body = format("grant_type=refresh_token&client_id=" CLIENT_ID
		      "&scope=%s&service=%s&refresh_token=%s",
		      scopes.data, service ? service : "", secret);
	request.data = body;
	request.len = strlen(body);
	result = ask(http, &request, token, transient, status, err);
	secret_free(secret);
	secret_free(body);
	return result;
}

/*
 * Public images need no password, but some token servers refuse requests with a wrong
 * one: those are repeated anonymously.
 */
static int get_any_token(const struct auth *auth, const struct token_server *server,
			 struct http *http, struct token *token, bool *transient, ducc_error **err)
{
	const struct credentials *credentials = &auth->credentials;
	char *basic = basic_header(credentials);
	bool known = basic || credentials->identity_token;
	ducc_error *error = NULL;
	long status = 0;
	int result;

	if (credentials->identity_token)
		result = post_for_token(auth, server, http, token, transient, &status, &error);
	else
		result = get_token(server, http, basic, token, transient, &status, &error);
	secret_free(basic);
	if (result < 0 && known && (status == 400 || status == 401 || status == 403) &&
	    !get_token(server, http, NULL, token, transient, &status, NULL)) {
		context_notice(http_context(http), DUCC_WARNING,
			       "%s/%s: credentials refused; continuing anonymously",
			       auth->reference.registry, auth->reference.repository);
		ducc_error_free(error);
		return 0;
	}
	if (result < 0)
		error_give(err, error);
	return result;
}

#define AS_USER "as user "
#define FROM " (credentials from "
#define END "): "

char *auth_hide_user(const char *error)
{
	const char *user = strstr(error, AS_USER), *from = user ? strstr(user, FROM) : NULL;
	const char *end = from ? strstr(from, END) : NULL;

	if (!user)
		return xstrdup(error);
	return format("%.*s%s", (int)(user - error), error, end ? end + strlen(END) : "(hidden)");
}

/* Adds to an error who was denied access, but no secret; returns -1. */
static int explain(const struct auth *auth, ducc_error **err)
{
	const struct credentials *credentials = &auth->credentials;
	const char *registry = auth->reference.registry;
	bool plain = !strcmp(auth->reference.scheme, "http");

	if (registry_is_named(DOCKER_HUB_SHORT, registry))
		registry = DOCKER_HUB_SHORT;
	if (!auth->looked_up)
		return -1;
	if (!credentials->origin)
		return error_wrap(err,
				  "no credentials for %s (use `podman login %s%s'; -vv shows which "
				  "files are read)",
				  registry, plain ? "--tls-verify=false " : "", registry);
	if (credentials->user)
		return error_wrap(err, AS_USER "%s" FROM "%s)", credentials->user,
				  credentials->origin);
	return error_wrap(err, "with the token from %s", credentials->origin);
}

static int bearer(struct auth *auth, struct http *http, bool *transient, ducc_error **err)
{
	CLEANUP(token_server_free) struct token_server server = {NULL};
	struct token token = {NULL};

	if (auth->credentials.registry_token) {
		if (auth->header) /* and it was refused */
			return 0;
		set_header(auth, format("Bearer %s", auth->credentials.registry_token), 0);
		return 1;
	}
	if (parse_challenge(&server, auth, err) < 0)
		return -1;
	if (get_any_token(auth, &server, http, &token, transient, err) < 0) {
		AUTO_FREE char *shown = url_public(server.realm);

		error_wrap(err, "token server %s", shown ? shown : "");
		return err && *err && ducc_error_kind(*err) == DUCC_DENIED ? explain(auth, err)
									   : -1;
	}
	set_header(auth, token.header, token.expires);
	return 1;
}

static int basic(struct auth *auth)
{
	char *header = basic_header(&auth->credentials);

	if (!header || (auth->header && !strcmp(auth->header, header))) {
		secret_free(header);
		return 0;
	}
	set_header(auth, header, 0);
	return 1;
}

static int look_up(struct auth *auth, ducc_error **err)
{
	if (!auth->looked_up &&
	    keyring_find(auth->keyring, &auth->reference, &auth->credentials, err) < 0)
		return -1;
	auth->looked_up = true;
	return 0;
}

/* Prepares a header for the known challenge; returns as auth_challenge() does. */
static int renew(struct auth *auth, struct http *http, bool *transient, ducc_error **err)
{
	if (look_up(auth, err) < 0)
		return -1;
	if (challenge_offers(auth->challenge, "Bearer"))
		return bearer(auth, http, transient, err);
	if (challenge_offers(auth->challenge, "Basic"))
		return basic(auth);
	return 0;
}

char *auth_header(struct auth *auth, struct http *http, unsigned *generation)
{
	bool transient = false;
	char *header;

	pthread_mutex_lock(&auth->mutex);
	if (auth->header && auth->expires && clock_monotonic() >= auth->expires)
		set_header(auth, NULL, 0);
	/* On failure the registry sends a challenge, and auth_challenge() reports the error. */
	if (!auth->header && auth->challenge)
		renew(auth, http, &transient, NULL);
	header = auth->header ? xstrdup(auth->header) : NULL;
	*generation = auth->generation;
	pthread_mutex_unlock(&auth->mutex);
	return header;
}

int auth_explain(struct auth *auth, ducc_error **err)
{
	pthread_mutex_lock(&auth->mutex);
	explain(auth, err);
	pthread_mutex_unlock(&auth->mutex);
	return -1;
}

bool auth_may_ask(struct auth *auth)
{
	const struct credentials *credentials = &auth->credentials;
	bool may;

	pthread_mutex_lock(&auth->mutex);
	may = !auth->asked && !auth->header && !look_up(auth, NULL) &&
	      (credentials->user || credentials->identity_token || credentials->registry_token);
	auth->asked = auth->asked || may;
	pthread_mutex_unlock(&auth->mutex);
	return may;
}

int auth_challenge(struct auth *auth, struct http *http, const char *challenge, unsigned generation,
		   bool *transient, ducc_error **err)
{
	int result = 1;

	pthread_mutex_lock(&auth->mutex);
	if (auth->generation == generation) {
		free(auth->challenge);
		auth->challenge = challenge ? xstrdup(challenge) : NULL;
		auth->learned = false;
		result = challenge ? renew(auth, http, transient, err) : 0;
	}
	pthread_mutex_unlock(&auth->mutex);
	return result;
}

/* The job of ducc-hook: converting a registry's notification to records (ducc.h). */
#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"
#include "format/json.h"
#include "format/record.h"
#include "format/reference.h"
#include "jobs/session.h"

struct hook {
	ducc_session *session;
	const char *registry; /* overrides the one in the notification; NULL: does not */
	bool (*event)(void *ctx, ducc_record *record, ducc_error *error);
	bool stopped; /* by it */
	void *ctx;
	size_t n; /* events so far */
};

/* A push or deletion of an image; missing parts are NULL. */
struct event {
	bool deleted;
	const char *registry, *repository, *tag, *digest;
};

/* SCHEME://HOST[:PORT]; the caller frees it.  Only the operator chooses the scheme. */
static char *find_home(const struct hook *hook, const struct event *event, ducc_error **err)
{
	const char *registry = hook->registry ? hook->registry : event->registry;
	const char *separator = hook->registry ? strstr(hook->registry, "://") : NULL;

	if (!registry) {
		error_set(err, "the notification does not name the registry");
		return NULL;
	}
	if (registry_check(separator ? separator + 3 : registry, err) < 0)
		return NULL;
	if (separator)
		return xstrdup(registry);
	return format("%s://%s", registry_is_loopback(registry) ? "http" : "https", registry);
}

/* A registry that is not valid is the operator's mistake, not that of each event. */
static int check_registry(const struct hook *hook, ducc_error **err)
{
	static const struct event none = {.registry = NULL};
	AUTO_FREE char *home = hook->registry ? find_home(hook, &none, err) : NULL, *image = NULL;
	AUTO_REFERENCE reference = {0};

	if (!hook->registry)
		return 0;
	image = home ? format("%s/app", home) : NULL;
	if (image && !reference_parse(&reference, image, err))
		return 0;
	return error_kind(err, DUCC_USAGE);
}

static int set_fields(const struct hook *hook, const struct event *event, ducc_record *record,
		      ducc_error **err)
{
	if (hook->session->repository &&
	    ducc_record_set(record, "repo", hook->session->repository, err) < 0)
		return -1;
	return event->deleted ? ducc_record_set(record, "event", "delete", err) : 0;
}

/* Checks each part: joined to a reference, they could be split in other places. */
static int check_parts(const struct event *event, ducc_error **err)
{
	struct digest digest;

	if (strpbrk(event->repository, ":@"))
		return error_set(err, "not a repository: %s", event->repository);
	if (event->tag && !tag_is_valid(event->tag))
		return error_set(err, "not a tag: %s", event->tag);
	if (!event->tag && !digest_parse(&digest, event->digest))
		return error_set(err, "not a sha256 digest: %s", event->digest);
	return 0;
}

static ducc_record *make_record(const struct hook *hook, const struct event *event,
				ducc_error **err)
{
	AUTO_FREE char *home = find_home(hook, event, err), *text = NULL;
	AUTO_REFERENCE reference = {0};
	ducc_record *record;

	if (!home || check_parts(event, err) < 0)
		return NULL;
	text = format("%s/%s%s%s", home, event->repository, event->tag ? ":" : "@",
		      event->tag ? event->tag : event->digest);
	if (reference_parse(&reference, text, err) < 0)
		return NULL;
	record = record_new(&reference);
	if (!set_fields(hook, event, record, err))
		return record;
	ducc_record_free(record);
	return NULL;
}

/*
 * Takes ownership of the error, which is set if reading the event has failed.  A push without
 * a tag is a part of an image: a layer, or a manifest for one of several platforms.
 */
static void hand_over(struct hook *hook, const struct event *event, ducc_error *error)
{
	ducc_record *record = NULL;

	hook->n++;
	if (!error && !event->tag && !(event->deleted && event->digest)) {
		context_notice(&hook->session->context, DUCC_DEBUG,
			       "event %zu is not about an image", hook->n);
		return;
	}
	if (!error)
		record = make_record(hook, event, &error);
	if (error)
		error_wrap(&error, "event %zu", hook->n);
	if (hook->stopped) {
		ducc_record_free(record);
		ducc_error_free(error);
		return;
	}
	hook->stopped = !hook->event(hook->ctx, record, error);
}

/* --- CNCF Distribution, and GitLab ------------------------------------ */

static int read_target(const cJSON *json, struct event *event, ducc_error **err)
{
	const cJSON *target, *request;

	if (json_get_object(json, "target", &target, err) < 0 ||
	    json_get_string(target, "repository", &event->repository, err) < 0 ||
	    json_find_string(target, "tag", &event->tag, err) < 0 ||
	    json_find_string(target, "digest", &event->digest, err) < 0 ||
	    json_find_object(json, "request", &request, err) < 0)
		return -1;
	return request ? json_find_string(request, "host", &event->registry, err) : 0;
}

static void read_event(struct hook *hook, const cJSON *json)
{
	struct event event = {.registry = NULL};
	ducc_error *error = NULL;
	const char *action;

	if (!json_get_string(json, "action", &action, &error)) {
		if (strcmp(action, "push") != 0 && strcmp(action, "delete") != 0) {
			hook->n++;
			return;
		}
		event.deleted = !strcmp(action, "delete");
		read_target(json, &event, &error);
	}
	hand_over(hook, &event, error);
}

static int read_distribution(struct hook *hook, const cJSON *json, ducc_error **err)
{
	const cJSON *events, *event;

	if (json_get_array(json, "events", &events, err) < 0)
		return -1;
	cJSON_ArrayForEach(event, events)
	{
		read_event(hook, event);
	}
	return 0;
}

/* --- Harbor ----------------------------------------------------------- */

static int parse_resource(const cJSON *resource, struct event *event, const char **url,
			  ducc_error **err)
{
	if (!cJSON_IsObject(resource))
		return error_set(err, "resource is not an object");
	if (json_find_string(resource, "resource_url", url, err) < 0 ||
	    json_find_string(resource, "tag", &event->tag, err) < 0 ||
	    json_find_string(resource, "digest", &event->digest, err) < 0)
		return -1;
	return event->tag || event->digest ? 0 : error_set(err, "resource without tag and digest");
}

static void read_resource(struct hook *hook, const cJSON *resource, bool deleted,
			  const char *repository)
{
	struct event event = {.deleted = deleted, .repository = repository};
	AUTO_FREE char *registry = NULL;
	ducc_error *error = NULL;
	const char *url = NULL;

	parse_resource(resource, &event, &url, &error);
	if (event.tag && (!*event.tag || strchr(event.tag, ':'))) /* the digest in its place */
		event.tag = NULL;
	registry = url ? xstrndup(url, strcspn(url, "/")) : NULL;
	event.registry = registry;
	hand_over(hook, &event, error);
}

/* In its own format, or as CloudEvents, with other keys. */
static int read_harbor(struct hook *hook, const cJSON *json, ducc_error **err)
{
	const cJSON *data, *repository, *resources, *resource;
	const char *type, *name;
	bool pushed, deleted;

	if (json_get_string(json, "type", &type, err) < 0)
		return -1;
	pushed = !strcmp(type, "PUSH_ARTIFACT") || !strcmp(type, "harbor.artifact.pushed");
	deleted = !strcmp(type, "DELETE_ARTIFACT") || !strcmp(type, "harbor.artifact.deleted");
	if (!pushed && !deleted)
		return 0;
	if (json_get_object(json, strchr(type, '.') ? "data" : "event_data", &data, err) < 0 ||
	    json_get_object(data, "repository", &repository, err) < 0 ||
	    json_get_string(repository, "repo_full_name", &name, err) < 0 ||
	    json_get_array(data, "resources", &resources, err) < 0)
		return -1;
	cJSON_ArrayForEach(resource, resources)
	{
		read_resource(hook, resource, deleted, name);
	}
	return 0;
}

/* --- Quay, and Docker Hub --------------------------------------------- */

static int read_quay(struct hook *hook, const cJSON *json, ducc_error **err)
{
	/* Events that are no pushes have none. */
	const cJSON *tags = json_member(json, "updated_tags"), *tag;
	AUTO_FREE char *registry = NULL;
	const char *url;
	size_t len;

	if (json_get_string(json, "docker_url", &url, err) < 0)
		return -1;
	len = strcspn(url, "/");
	if (!url[len])
		return error_set(err, "\"docker_url\" has no repository: %s", url);
	if (tags && !cJSON_IsArray(tags) && !cJSON_IsObject(tags))
		return error_set(err, "\"updated_tags\" is not an array");
	registry = xstrndup(url, len);
	/* Formerly an object with the tags as its keys. */
	cJSON_ArrayForEach(tag, tags)
	{
		struct event event = {.registry = registry, .repository = url + len + 1};
		ducc_error *error = NULL;

		event.tag = cJSON_IsObject(tags) ? tag->string : cJSON_GetStringValue(tag);
		if (!event.tag)
			error_set(&error, "tag is not a string");
		hand_over(hook, &event, error);
	}
	return 0;
}

static int read_docker_hub(struct hook *hook, const cJSON *json, ducc_error **err)
{
	struct event event = {.registry = DOCKER_HUB};
	const cJSON *data, *repository;

	if (json_get_object(json, "push_data", &data, err) < 0 ||
	    json_get_string(data, "tag", &event.tag, err) < 0 ||
	    json_get_object(json, "repository", &repository, err) < 0 ||
	    json_get_string(repository, "repo_name", &event.repository, err) < 0)
		return -1;
	hand_over(hook, &event, NULL);
	return 0;
}

/* Top-level keys that only notifications of one kind of registry have. */
static const struct {
	const char *key;
	int (*read)(struct hook *hook, const cJSON *json, ducc_error **err);
} kinds[] = {
	{"events", read_distribution}, {"event_data", read_harbor},    {"specversion", read_harbor},
	{"docker_url", read_quay},     {"push_data", read_docker_hub},
};

static int read_notification(struct hook *hook, const struct buffer *data, ducc_error **err)
{
	AUTO_JSON *json = json_parse(data->len ? data->data : "", data->len, "notification", err);

	if (!json)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (!cJSON_GetObjectItemCaseSensitive(json, kinds[i].key))
			continue;
		if (kinds[i].read(hook, json, err) < 0)
			return error_wrap(err, "notification");
		return 0;
	}
	return error_set(err, "notification: unknown kind of registry");
}

int ducc_hook(ducc_session *session, int fd, const char *registry,
	      bool (*event)(void *ctx, ducc_record *record, ducc_error *error), void *ctx,
	      ducc_error **err)
{
	struct hook hook = {.session = session, .registry = registry, .event = event, .ctx = ctx};
	AUTO_BUFFER data = {0};

	if (check_registry(&hook, err) < 0)
		return -1;
	if (read_stream(fd, JSON_LIMIT, &data, err) < 0)
		return error_wrap(err, "notification");
	if (read_notification(&hook, &data, err) < 0)
		return -1;
	return hook.stopped;
}

/* A session: see session.h. */
#include "session.h"

#include "buffer.h"
#include "events.h"
#include "fetched.h"
#include "image.h"
#include "mem.h"
#include "text.h"

#define DEFAULT_WAIT 3600 /* seconds */

static const char *environment(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

static char *copy(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

/* $DUCC_STORE, else /var/spool/ducc for root and ~/.cache/ducc for others. */
static char *default_store(ducc_error **err)
{
	const char *store = environment("DUCC_STORE"), *cache = environment("XDG_CACHE_HOME");
	const char *home = environment("HOME");

	if (store)
		return xstrdup(store);
	if (geteuid() == 0)
		return xstrdup("/var/spool/ducc");
	if (cache)
		return format("%s/ducc", cache);
	if (home)
		return format("%s/.cache/ducc", home);
	error_set(err, "no place for the store: set $DUCC_STORE");
	return NULL;
}

static void on_network_notice(void *ctx, enum ducc_level level, const char *text)
{
	session_notice(ctx, level, "%s", text);
}

static bool on_network_asks(void *ctx)
{
	return session_cancelled(ctx);
}

ducc_session *ducc_open(const struct ducc_options *options, ducc_error **err)
{
	struct ducc_session *session;
	const char *notify = options->notify ? options->notify : environment("DUCC_NOTIFY");
	const char *repository =
		options->repository ? options->repository : environment("DUCC_REPO");
	struct platform platform = {NULL};
	struct events *events = NULL;
	char *store;

	if (options->platform && platform_parse(&platform, options->platform, err) < 0)
		return NULL;
	platform_free(&platform);
	/* It goes into records. */
	if (repository && !text_is_plain(repository)) {
		error_set(err, "repository %s: its name holds a control character", repository);
		return NULL;
	}
	store = options->store ? xstrdup(options->store) : default_store(err);
	if (!store)
		return NULL;
	if (notify && !options->dry_run) {
		events = events_open(notify, err);
		if (!events) {
			free(store);
			return NULL;
		}
	}
	session = xcalloc(1, sizeof(*session));
	session->store_path = store;
	session->repository = copy(repository);
	session->platform = copy(options->platform);
	session->jobs = options->jobs;
	session->limits = options->limits;
	session->batch_bytes = options->batch_bytes;
	session->wait = options->wait ? options->wait : DEFAULT_WAIT;
	session->dry_run = options->dry_run;
	session->foreign = options->foreign;
	session->notice = options->notice;
	session->progress = options->progress;
	session->cancelled = options->cancelled;
	session->ctx = options->ctx;
	session->events = events;
	pthread_mutex_init(&session->callbacks, NULL);
	pthread_mutex_init(&session->pushed_mutex, NULL);
	session->index = store_index_new();
	session->input = -1;
	session->network = network_new(&(struct http_listener){
		.notice = options->notice ? on_network_notice : NULL,
		.cancelled = options->cancelled ? on_network_asks : NULL,
		.ctx = session,
	});
	return session;
}

void ducc_close(ducc_session *session)
{
	if (!session)
		return;
	events_close(session->events);
	cleanup_close(&session->input);
	for (size_t i = 0; i < session->n_pushed; i++) {
		free(session->pushed[i].registry);
		free(session->pushed[i].repository);
	}
	free(session->pushed);
	pthread_mutex_destroy(&session->pushed_mutex);
	store_index_free(session->index);
	network_free(session->network);
	pthread_mutex_destroy(&session->callbacks);
	free(session->store_path);
	free(session->repository);
	free(session->platform);
	free(session);
}

const char *ducc_repository(const ducc_session *session, const ducc_record *record)
{
	return session->repository ? session->repository : ducc_record_get(record, "repo");
}

void session_notice(ducc_session *session, enum ducc_level level, const char *fmt, ...)
{
	AUTO_BUFFER text = {0};
	va_list args;

	if (!session->notice)
		return;
	va_start(args, fmt);
	buffer_vaddf(&text, fmt, args);
	va_end(args);
	pthread_mutex_lock(&session->callbacks);
	session->notice(session->ctx, level, text_shorten(text.data));
	pthread_mutex_unlock(&session->callbacks);
}

void session_progress(ducc_session *session, const char *what, uint64_t done, uint64_t total)
{
	struct ducc_progress progress = {.what = what, .done = done, .total = total};

	if (!session->progress)
		return;
	pthread_mutex_lock(&session->callbacks);
	session->progress(session->ctx, &progress);
	pthread_mutex_unlock(&session->callbacks);
}

bool session_cancelled(ducc_session *session)
{
	bool cancelled;

	if (!session->cancelled)
		return false;
	pthread_mutex_lock(&session->callbacks);
	cancelled = session->cancelled(session->ctx);
	pthread_mutex_unlock(&session->callbacks);
	return cancelled;
}

/* The manifest that the reference leads to in the store. */
static int find_manifest(const struct store *store, const struct reference *reference,
			 const char *platform, struct digest *manifest, ducc_error **err)
{
	AUTO_FREE char *name = NULL;

	if (reference_is_pinned(reference)) {
		*manifest = reference->digest;
		return fetched_under(store, manifest, reference)
			       ? 0
			       : error_set(err, "this manifest was not fetched under this name "
						"(run ducc-fetch first)");
	}
	name = reference_name(reference);
	return store_find(store, name, platform, manifest, err);
}

int session_find_image(ducc_session *session, const struct store *store, const ducc_record *record,
		       struct reference *reference, struct digest *manifest, ducc_error **err)
{
	AUTO_FREE char *platform = NULL;
	const char *wanted =
		session->platform ? session->platform : ducc_record_get(record, "platform");

	if (wanted && platform_normalize(wanted, &platform, err) < 0)
		return -1;
	if (reference_parse(reference, ducc_record_reference(record), err) < 0)
		return -1;
	if (!find_manifest(store, reference, platform, manifest, err))
		return 0;
	reference_free(reference);
	return -1;
}

void session_add_pushed(ducc_session *session, const struct reference *where,
			const struct digest *digest)
{
	pthread_mutex_lock(&session->pushed_mutex);
	GROW(session->pushed, session->n_pushed, session->pushed_capacity);
	session->pushed[session->n_pushed++] =
		(struct pushed){.digest = *digest,
				.registry = xstrdup(where->registry),
				.repository = xstrdup(where->repository)};
	pthread_mutex_unlock(&session->pushed_mutex);
}

const char *session_pushed(ducc_session *session, const char *registry, const struct digest *digest)
{
	const char *repository = NULL;

	pthread_mutex_lock(&session->pushed_mutex);
	for (size_t i = 0; i < session->n_pushed && !repository; i++)
		if (digest_equal(&session->pushed[i].digest, digest) &&
		    !strcmp(session->pushed[i].registry, registry))
			repository = session->pushed[i].repository;
	pthread_mutex_unlock(&session->pushed_mutex);
	return repository;
}

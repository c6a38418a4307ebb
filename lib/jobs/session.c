/* A session: see session.h. */
#include "jobs/session.h"

#include "base/buffer.h"
#include "base/home.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/path.h"
#include "base/place.h"
#include "base/text.h"
#include "content/quota.h"
#include "format/image.h"
#include "jobs/events.h"
#include "store/fetched.h"
#include "store/index.h"
#include "store/staged.h"

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
	AUTO_FREE char *home = NULL;

	if (store)
		return xstrdup(store);
	if (geteuid() == 0)
		return xstrdup("/var/spool/ducc");
	if (cache)
		return format("%s/ducc", cache);
	home = home_directory();
	if (home)
		return format("%s/.cache/ducc", home);
	error_set(err, "no default for the store: set $DUCC_STORE");
	return NULL;
}

int options_take(void *to, size_t size, const void *from, ducc_error **err)
{
	const unsigned char *bytes = from;
	size_t given;

	memcpy(&given, from, sizeof(given));
	if (given < sizeof(given))
		return error_set_kind(err, DUCC_USAGE, "options: size is not set");
	for (size_t i = size; i < given; i++)
		if (bytes[i])
			return error_set_kind(
				err, DUCC_USAGE,
				"options: this library is too old to support all of them");
	memcpy(to, from, given < size ? given : size);
	return 0;
}

/* Checks the options that all jobs share, and copies them and the limits. */
static int take_options(struct ducc_options *options, struct ducc_limits *limits,
			const struct ducc_options *given, ducc_error **err)
{
	struct platform platform = {NULL};

	if (options_take(options, sizeof(*options), given, err) < 0 ||
	    (options->limits && options_take(limits, sizeof(*limits), options->limits, err) < 0))
		return -1;
	if (!options->notify)
		options->notify = environment("DUCC_NOTIFY");
	if (!options->repository)
		options->repository = environment("DUCC_REPO");
	if (options->platform && platform_parse(&platform, options->platform, err) < 0)
		return -1;
	platform_free(&platform);
	/* It becomes a field of records. */
	if (options->repository && !text_is_plain(options->repository))
		return error_set(err, "repository %s: name contains a control character",
				 options->repository);
	return 0;
}

static ducc_session *open_session(const struct ducc_options *given, ducc_error **err)
{
	struct ducc_options taken = {0}, *options = &taken;
	struct ducc_limits limits = {0};
	struct ducc_session *session;
	char *store;

	if (path_available(err) < 0 || take_options(options, &limits, given, err) < 0)
		return NULL;
	store = options->store ? xstrdup(options->store) : default_store(err);
	if (!store)
		return NULL;
	session = xcalloc(1, sizeof(*session));
	session->store_path = store;
	session->repository = copy(options->repository);
	session->platform = copy(options->platform);
	session->wishes = copy(options->wishes);
	session->jobs = options->jobs;
	session->limits = limits;
	session->batch_bytes = options->batch_bytes;
	session->chunk_bytes = options->chunk_bytes;
	session->split = options->split;
	session->again = options->again;
	session->dry_run = options->dry_run;
	session->foreign = options->foreign;
	context_init(&session->context, options);
	pthread_mutex_init(&session->mutex, NULL);
	gate_init(&session->gate);
	slots_init(&session->slots, parallel_jobs(session->jobs));
	claims_init(&session->claims);
	session->index = store_index_new();
	session->input = -1;
	session->network = network_new(&session->context);
	if (options->notify && !options->dry_run)
		session->events = events_open(options->notify, &session->context);
	return session;
}

ducc_session *ducc_open(const struct ducc_options *options, ducc_error **err)
{
	ducc_session *session = open_session(options, err);

	if (!session)
		error_kind(err, DUCC_USAGE);
	return session;
}

void ducc_close(ducc_session *session)
{
	if (!session)
		return;
	events_close(session->events);
	cleanup_close(&session->input);
	strmap_free_values(&session->pushed, free);
	strset_free(&session->repaired);
	strset_free(&session->local);
	pthread_mutex_destroy(&session->mutex);
	claims_destroy(&session->claims);
	slots_destroy(&session->slots);
	gate_destroy(&session->gate);
	store_index_free(session->index);
	network_free(session->network);
	context_destroy(&session->context);
	free(session->store_path);
	free(session->repository);
	free(session->platform);
	free(session->wishes);
	free(session);
}

const char *ducc_repository(const ducc_session *session, const ducc_record *record)
{
	return session->repository ? session->repository : ducc_record_get(record, "repo");
}

int session_open_store(ducc_session *session, struct store *store, bool create, ducc_error **err)
{
	*store = (struct store){.fd = -1,
				.index = session->index,
				.context = &session->context,
				.keep = session->dry_run};
	if (!create || session->dry_run || atomic_load(&session->store_made)) {
		int found = store_open_existing(store, session->store_path, err);

		if (found || !create || session->dry_run)
			return found;
	}
	if (store_open(store, session->store_path, err) < 0)
		return -1;
	atomic_store(&session->store_made, true);
	return 1;
}

void session_sweep(ducc_session *session, struct store *store)
{
	pthread_mutex_lock(&session->mutex);
	if (!session->swept)
		store_sweep(store);
	session->swept = true;
	pthread_mutex_unlock(&session->mutex);
}

void session_limit(const ducc_session *session, struct subject *subject)
{
	subject_limit(subject, limits_get(&session->limits, LIMIT_TIME, 0), "-l time=N");
}

void session_advise(const ducc_session *session, ducc_error **err)
{
	AUTO_FREE char *remedy = format("free space with `ducc-gc --clean-store -g DAYS -s %s', or "
					"use another store with -s",
					session->store_path);

	place_advise(err, "store", session->store_path, remedy);
}

int session_need_store(ducc_session *session, struct store *store, ducc_error **err)
{
	int found = session_open_store(session, store, false, err);

	if (!found)
		return error_set_kind(err, DUCC_NOT_FOUND,
				      "store %s does not exist (run ducc-fetch first)",
				      session->store_path);
	return found < 0 ? -1 : 0;
}

int session_no_repository(ducc_error **err)
{
	return error_set_kind(err, DUCC_USAGE, "no repository: use -r, $DUCC_REPO or repo=");
}

/* Finds the manifest for a reference in the store. */
static int find_manifest(const struct store *store, const struct reference *reference,
			 const char *platform, struct digest *manifest, ducc_error **err)
{
	AUTO_FREE char *name = NULL;

	if (reference_is_pinned(reference)) {
		*manifest = reference->digest;
		return fetched_under(store, manifest, reference)
			       ? 0
			       : error_set_kind(err, DUCC_NOT_FOUND,
						"this manifest was not fetched under this name "
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
	AUTO_FREE char *key = format("%s %s", where->registry, digest->hex);

	pthread_mutex_lock(&session->mutex);
	if (!strmap_get(&session->pushed, key))
		strmap_put(&session->pushed, key, xstrdup(where->repository));
	pthread_mutex_unlock(&session->mutex);
}

const char *session_pushed(ducc_session *session, const char *registry, const struct digest *digest)
{
	AUTO_FREE char *key = format("%s %s", registry, digest->hex);
	const char *repository;

	pthread_mutex_lock(&session->mutex);
	repository = strmap_get(&session->pushed, key);
	pthread_mutex_unlock(&session->mutex);
	return repository;
}

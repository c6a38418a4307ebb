/*
 * The job of ducc-publish: publishing unpacked images in a repository (ducc.h).
 *
 * Each image is prepared separately: what the repository lacks is added to a transaction.
 * If that fails, the additions for this image are dropped, and the other images continue.
 * Then one commit makes everything visible.
 */
#include "jobs/publish.h"

#include "base/mem.h"
#include "base/progress.h"
#include "content/unpacked.h"
#include "format/repo_paths.h"
#include "jobs/dry_run.h"
#include "jobs/repair.h"
#include "jobs/targets.h"
#include "jobs/wishes.h"
#include "repo/inventory.h"
#include "repo/target.h"
#include "store/index.h"

#define DEFAULT_BATCH_BYTES ((uint64_t)32 << 30)

/* --- the images ------------------------------------------------------- */

/* An image of an unknown platform replaces the one that has the name, and takes its platform. */
static int keep_platform(const struct publish *publish, struct publish_image *image,
			 ducc_error **err)
{
	AUTO_CLOSE int root = repository_root(&publish->repository);
	ducc_error *error = NULL;

	if (image->platform.architecture || root < 0 ||
	    published_read_platform(&image->platform, root, image->name, &error) >= 0)
		return 0;
	return error_pass_failure(err, error);
}

/*
 * Sets the platform of the published image: that of the record, for which the image was fetched, or
 * which its config does not contradict; or the one for which it was fetched; or that of the config.
 */
static int choose_platform(const struct publish *publish, struct publish_image *image,
			   const char *of_record, ducc_error **err)
{
	const struct store *store = &publish->store;
	const struct digest *manifest = &image->stored.digest;
	AUTO_FREE char *own = platform_format(&image->stored.config.platform), *listed = NULL;
	struct platform chosen;
	bool agrees;

	platform_complete(&image->platform, &image->stored.config.platform);
	if (!of_record)
		listed = store_platform(store, &image->reference, manifest, NULL);
	if (!of_record && !listed)
		return keep_platform(publish, image, err);
	if (platform_parse(&chosen, of_record ? of_record : listed, err) < 0)
		return -1;
	agrees = platform_overrule(&image->platform, &chosen);
	if (!agrees && !listed)
		listed = store_platform(store, &image->reference, manifest, &chosen);
	platform_free(&chosen);
	if (agrees || listed)
		return 0;
	return error_set(err, "the image is for %s, not for platform=%s", own, of_record);
}

int publish_read_image(struct publish *publish, const ducc_record *record,
		       struct publish_image *image, ducc_error **err)
{
	struct digest digest;

	if (dry_run_check(publish->session, record, err) < 0 ||
	    session_find_image(publish->session, &publish->store, record, &image->reference,
			       &digest, err) < 0)
		return -1;
	image->name = reference_name(&image->reference);
	image->record = record;
	image->again = publish->session->again || repair_has_names(record);
	if (stored_image_read(&image->stored, &publish->store, &digest, err) < 0)
		return -1;
	image->unpacked = xcalloc(image->stored.manifest.n, sizeof(*image->unpacked));
	image->added = xcalloc(image->stored.manifest.n, sizeof(*image->added));
	image->moved = xcalloc(image->stored.manifest.n, sizeof(*image->moved));
	return choose_platform(publish, image, ducc_record_get(record, "platform"), err);
}

static void forget_moved(struct publish_image *image)
{
	for (size_t i = 0; image->moved && i < image->stored.manifest.n; i++)
		strmap_free_values(&image->moved[i], free);
}

void publish_image_end(struct publish_image *image)
{
	forget_moved(image);
	free(image->moved);
	reference_free(&image->reference);
	free(image->name);
	stored_image_free(&image->stored);
	platform_free(&image->platform);
	strset_free(&image->there);
	free(image->unpacked);
	free(image->added);
	*image = (struct publish_image){.name = NULL};
}

/* --- one transaction -------------------------------------------------- */

/* Adds the layers and the flat tree of an image, but not its names. */
static int prepare_content(struct publish *publish, struct publish_image *image, ducc_error **err)
{
	int published = publish_has_image(publish, image, err);

	memset(image->added, 0, image->stored.manifest.n * sizeof(*image->added));
	forget_moved(image);
	if (published)
		return published < 0 ? -1 : 0;
	if (publish_layers(publish, image, err) < 0)
		return -1;
	return publish_flat(publish, image, err);
}

/* Adds the missing parts of one image, or nothing on failure. */
static void prepare(struct publish *publish, size_t i)
{
	size_t before = publish->transaction->steps;
	struct publish_image *image = &publish->images[i];
	const struct subject subject = {.name = image->name};

	context_set_subject(&subject);
	transaction_save(publish->transaction);
	known_save(publish->known);
	publish->transaction->replaces = image->again;
	if (prepare_content(publish, image, &publish->errors[i]) < 0) {
		/* Before what fills the file system is removed. */
		targets_advise(&publish->repository, publish->session, &publish->errors[i]);
		transaction_restore(publish->transaction);
		known_restore(publish->known);
	}
	publish_set_amounts(image, publish->transaction);
	image->changed = publish->transaction->steps != before;
	context_set_subject(NULL);
}

/* The image prepared last is left to the next transaction. */
static void leave_last(struct publish *publish)
{
	publish->n--;
	publish->leaves = false;
	transaction_restore(publish->transaction);
	known_restore(publish->known);
	ducc_error_free(publish->errors[publish->n]);
	publish->errors[publish->n] = NULL;
	span_drop(&publish->images[publish->n].span);
	publish_image_end(&publish->images[publish->n]);
}

/* Reads and prepares the records that fit into one transaction, at least one. */
static int prepare_all(struct publish *publish, size_t n, ducc_error **err)
{
	uint64_t limit =
		publish->session->batch_bytes ? publish->session->batch_bytes : DEFAULT_BATCH_BYTES;

	while (publish->n < n && (!publish->n || publish->transaction->bytes < limit)) {
		size_t i = publish->n++;

		span_begin(&publish->images[i].span, publish->session->events, "image_publish",
			   ducc_record_reference(publish->records[i]), NULL);
		if (publish_read_image(publish, publish->records[i], &publish->images[i],
				       &publish->errors[i]) < 0)
			continue;
		prepare(publish, i);
		if (i && (publish->transaction->crowded || publish->leaves)) {
			leave_last(publish);
			break;
		}
		if (publish->images[i].changed)
			span_tell(&publish->images[i].span);
	}
	publish->together = true;
	return publish_names(publish, err);
}

/* Prepares an image again, which now cannot be left to the next transaction. */
static void prepare_this_time(struct publish *publish, size_t i)
{
	prepare(publish, i);
	if (!publish->leaves)
		return;
	publish->leaves = false;
	transaction_restore(publish->transaction);
	known_restore(publish->known);
	error_set_kind(&publish->errors[i], DUCC_BUSY,
		       "others have changed the repository meanwhile; try again");
}

/* Repeats this for a repository that others have changed in the meantime. */
static int prepare_again(void *ctx, ducc_error **err)
{
	struct publish *publish = ctx;

	known_free(publish->known);
	publish->known =
		known_new(&publish->session->context, &publish->store, &publish->repository);
	for (size_t i = 0; i < publish->n; i++)
		if (!publish->errors[i])
			prepare_this_time(publish, i);
	return publish_names(publish, err);
}

static int commit_transaction(struct publish *publish, ducc_error **err)
{
	struct progress progress = {.context = &publish->session->context,
				    .activity = DUCC_COMMITTING,
				    .what = publish->repository.name};
	int result = progress_move(&progress, 0, err);

	if (!result)
		result = transaction_commit(publish->transaction, err);
	progress_end(&progress);
	return result;
}

static int commit(struct publish *publish, ducc_error **err)
{
	ducc_error *error = NULL;

	if (transaction_is_empty(publish->transaction))
		return 0;
	if (transaction_open(publish->transaction, prepare_again, publish, &error) < 0) {
		/* What comes before the last step may fail because of one image. */
		publish->together = ducc_error_kind(error) != DUCC_BUSY;
		return error_give(err, error);
	}
	if (transaction_is_empty(publish->transaction))
		return 0;
	if (commit_transaction(publish, err) < 0)
		return -1;
	known_published(publish->known);
	publish_note_again(publish);
	return 0;
}

/*
 * Where the file system of a directory is not mounted, images would fill another one: one that was a
 * repository is not begun anew.
 */
static int check_disappeared(const struct publish *publish, ducc_error **err)
{
	const struct repository *repository = &publish->repository;
	ducc_error *empty = NULL;

	if (!repository->target->created || !targets_need_published(repository, &empty) ||
	    ducc_error_kind(empty) != DUCC_NOT_FOUND ||
	    !wishes_know_repository(publish->session->store_path, repository->name)) {
		ducc_error_free(empty);
		return 0;
	}
	ducc_error_free(empty);
	return error_set_kind(err, DUCC_NOT_FOUND,
			      "repository %s: has disappeared: is its file system mounted? (to "
			      "begin anew: mkdir -p %s/" REPO_METADATA ")",
			      repository->name, repository->name);
}

static int open_all(struct publish *publish, ducc_error **err)
{
	const char *name = ducc_repository(publish->session, publish->records[0]);
	int found = publish->session->dry_run
			    ? session_open_store(publish->session, &publish->store, false, err)
			    : session_need_store(publish->session, &publish->store, err);

	if (found < 0)
		return -1;
	if (!name)
		return session_no_repository(err);
	if (targets_open(&publish->repository, name, publish->session->store_path, err) < 0) {
		const struct target *target = publish->repository.target;

		if (target && target->created && ducc_error_kind(*err) == DUCC_NOT_FOUND)
			error_advise(err, "a new repository needs an empty directory");
		return -1;
	}
	if (check_disappeared(publish, err) < 0)
		return -1;
	publish->repository.chunk_bytes = publish->session->chunk_bytes;
	return 0;
}

/* For a dry run: says what publishing image i would change. */
static void plan(struct publish *publish, size_t i)
{
	ducc_record *record = publish->records[i];
	struct publish_image *image = &publish->images[i];
	ducc_error **error = &publish->errors[i];

	if (!publish_read_image(publish, record, image, error)) {
		publish_report_missing(publish, image);
	} else {
		const struct subject subject = {.name = ducc_record_reference(record)};
		bool excused;

		context_set_subject(&subject);
		excused = dry_run_excuses(publish->session, record, "publish it after unpacking it",
					  error);
		context_set_subject(NULL);
		if (!excused)
			return;
	}
	ducc_record_set(record, "state",
			dry_run_state(&publish->repository, record, &image->stored.digest), NULL);
}

static int publish_batch(struct publish *publish, size_t n, ducc_error **err)
{
	if (open_all(publish, err) < 0)
		return -1;
	if (publish->session->dry_run) {
		while (publish->n < n)
			plan(publish, publish->n++);
		return 0;
	}
	if (publish->session->split && publish_split(publish, n, err) < 0)
		return -1;
	publish->transaction = transaction_begin(&publish->session->context, &publish->store,
						 &publish->repository, err);
	if (!publish->transaction)
		return -1;
	publish->known =
		known_new(&publish->session->context, &publish->store, &publish->repository);
	return prepare_all(publish, n, err) < 0 ? -1 : commit(publish, err);
}

/* --- the job ---------------------------------------------------------- */

/* The record may name another repository than the one of the session, which takes precedence. */
static void name_repository(const ducc_session *session, ducc_record *record)
{
	if (session->repository && ducc_record_get(record, "repo"))
		ducc_record_set(record, "repo", session->repository, NULL);
}

static void end_image(struct publish *publish, size_t i)
{
	ducc_error **error = &publish->errors[i];

	targets_advise(&publish->repository, publish->session, error);
	if (!*error)
		name_repository(publish->session, publish->records[i]);
	if (i < publish->n && !*error && !publish->session->dry_run)
		publish_report(publish, i);
	if (i >= publish->n) /* there is no repository or store: its span was not begun */
		span_begin(&publish->images[i].span, publish->session->events, "image_publish",
			   ducc_record_reference(publish->records[i]), NULL);
	span_end(&publish->images[i].span, *error ? -1 : 0, 0, error);
}

/* If an image failed because something of it in the store is damaged, discards that. */
static void discard_damaged(struct publish *publish, size_t i)
{
	if (publish->errors[i] && ducc_error_kind(publish->errors[i]) == DUCC_CORRUPT)
		unpacked_verify_all(&publish->store, &publish->images[i].stored.manifest,
				    &publish->errors[i]);
}

/*
 * Publishes the first of the records, as ducc_publish() does; sets *shared if they failed
 * together.
 */
static size_t publish_some(ducc_session *session, ducc_record *const *records, size_t n,
			   ducc_error **errors, bool *shared)
{
	struct publish publish = {.session = session,
				  .store = {.fd = -1},
				  .records = records,
				  .images = xcalloc(n, sizeof(struct publish_image)),
				  .errors = errors};
	ducc_error *error = NULL;
	size_t done;

	/* Before the repository is created. */
	if (dry_run_check(session, records[0], &error) < 0)
		n = 1;
	*shared = !error && publish_batch(&publish, n, &error) < 0 && publish.together;
	done = publish.n ? publish.n : n;
	for (size_t i = 0; error && i < done; i++)
		if (!errors[i])
			errors[i] = error_copy(error);
	ducc_error_free(error);
	for (size_t i = 0; i < publish.n && (!*shared || publish.n == 1); i++)
		discard_damaged(&publish, i);
	for (size_t i = 0; i < done; i++)
		end_image(&publish, i);
	known_free(publish.known);
	strmap_free_values(&publish.layers, free);
	transaction_end(publish.transaction);
	for (size_t i = 0; i < publish.n; i++)
		publish_image_end(&publish.images[i]);
	free(publish.images);
	repository_close(&publish.repository);
	store_close(&publish.store);
	return done;
}

size_t ducc_publish(ducc_session *session, ducc_record *const *records, size_t n,
		    ducc_error **errors)
{
	bool shared;
	size_t done = n ? publish_some(session, records, n, errors, &shared) : 0;

	if (done < 2 || !shared)
		return done;
	/* One image may have caused the failure of all: retry each separately. */
	for (size_t i = 0; i < done && !context_cancelled(&session->context); i++) {
		context_notice(&session->context, DUCC_WARNING, "%s: %s; retrying it separately",
			       ducc_record_reference(records[i]), ducc_error_message(errors[i]));
		ducc_error_free(errors[i]);
		errors[i] = NULL;
		publish_some(session, records + i, 1, errors + i, &shared);
	}
	return done;
}

/*
 * The job of ducc-check: comparing a repository with what its manifests, configs and listings
 * say (ducc.h).
 *
 * The images say which layers and flat trees there must be; each of these is compared once,
 * several in parallel.  Of an image, or a tree that it needs, that differs, a record is made.
 */
#include "jobs/check.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/text.h"
#include "format/record.h"
#include "format/repo_paths.h"
#include "jobs/repair.h"
#include "jobs/targets.h"
#include "repo/target.h"

/* How often a repository that others change is looked at. */
#define LOOKS 10

/* --- the images to check ---------------------------------------------- */

static int parse_patterns(const struct ducc_check_options *options, struct reference *patterns,
			  size_t *n, ducc_error **err)
{
	for (; *n < options->n_images; ++*n)
		if (reference_parse_pattern(&patterns[*n], options->images[*n], err) < 0)
			return -1;
	return 0;
}

static int select_images(struct check *check, ducc_error **err)
{
	const struct ducc_check_options *options = &check->options;
	const struct inventory *inventory = &check->inventory;
	AUTO_FREE struct reference *patterns = xcalloc(options->n_images, sizeof(*patterns));
	AUTO_FREE bool *matches = xcalloc(options->n_images, sizeof(*matches));
	size_t parsed = 0;
	int result;

	check->n = 0;
	check->images = xcalloc(inventory->n_images, sizeof(*check->images));
	result = parse_patterns(options, patterns, &parsed, err);
	for (size_t i = 0; !result && i < inventory->n_images; i++) {
		bool wanted = !parsed;

		for (size_t k = 0; k < parsed; k++)
			if (reference_matches(&patterns[k], inventory->images[i].name))
				wanted = matches[k] = true;
		if (wanted)
			check->images[check->n++].published = &inventory->images[i];
	}
	for (size_t k = 0; !result && k < parsed; k++) {
		AUTO_FREE char *name = reference_name(&patterns[k]);

		if (!matches[k])
			result = error_set_kind(err, DUCC_NOT_FOUND, "%s: not in repository %s",
						name, check->repository.name);
	}
	for (size_t k = 0; k < parsed; k++)
		reference_free(&patterns[k]);
	return result;
}

/* --- what must be published again ------------------------------------- */

static bool is_broken(const struct strmap *trees, const struct digest *digest)
{
	const struct checked_tree *tree = strmap_get(trees, digest->hex);

	return tree && tree->broken;
}

static void add_word(struct buffer *list, const char *word)
{
	buffer_addf(list, "%s%s", list->len ? "," : "", word);
}

/*
 * The value of repair=: the broken trees of the image, or "names" if there is none.  If its layers and
 * its flat tree contradict each other, any of them may be wrong.
 */
static char *what_to_repair(const struct check *check, const struct checked_image *image)
{
	const struct published *published = image->published;
	struct buffer list = {0};

	for (size_t i = 0; i < published->n_layers; i++)
		if (image->unlike || is_broken(&check->layers, &published->layers[i]))
			add_word(&list, published->layers[i].hex);
	if (is_broken(&check->flats, &published->flat))
		add_word(&list, published->flat.hex);
	if (!list.len && image->broken)
		add_word(&list, REPAIR_NAMES);
	return list.len ? buffer_steal(&list) : NULL;
}

/* The platform of an image, from its documents, else from its label; or NULL.  The caller frees it. */
static char *platform_of(const struct checked_image *image)
{
	const char *label = image->published->label;
	char *platform, *colon;

	if (image->readable && !check_platform_is_lost(image))
		return platform_format(&image->stored.config.platform);
	if (!strcmp(label, image->published->name))
		return NULL;
	label += strlen(REPO_MULTIARCH "/");
	platform = format("linux/%.*s", (int)strcspn(label, "/"), label);
	colon = strchr(platform, ':');
	if (colon)
		*colon = '/';
	return platform;
}

static ducc_record *make_record(const struct check *check, const struct checked_image *image,
				const char *repair, ducc_error **err)
{
	AUTO_REFERENCE reference = {NULL};
	AUTO_FREE char *platform = platform_of(image);
	ducc_record *record;

	if (reference_parse(&reference, image->published->name, err) < 0)
		return NULL;
	if (*image->manifest.hex)
		reference.digest = image->manifest;
	record = record_new(&reference);
	if ((!platform || !ducc_record_set(record, "platform", platform, err)) &&
	    !ducc_record_set(record, "repo", check->repository.name, err) &&
	    !ducc_record_set(record, REPAIR_FIELD, repair, err))
		return record;
	ducc_record_free(record);
	return NULL;
}

/*
 * After a failure, only of images whose documents are known: another record might name another
 * image.
 */
static int report_broken(struct check *check, ducc_error **err)
{
	const struct ducc_check_options *options = &check->options;

	for (size_t i = 0; options->broken && !check->stopped && i < check->n; i++) {
		AUTO_FREE char *repair = what_to_repair(check, &check->images[i]);
		ducc_record *record;

		if (!repair || (check->failures.n && !check->images[i].readable))
			continue;
		record = make_record(check, &check->images[i], repair, err);
		if (!record)
			return error_wrap(err, "%s", check->images[i].published->label);
		check->stopped = !options->broken(options->ctx, record);
	}
	return 0;
}

/* Says what could not be compared. */
static void report_original(const struct check *check)
{
	size_t layers = 0, flats = 0;

	for (size_t i = 0; i < check->layers.keys.n; i++)
		layers += ((const struct checked_tree *)check->layers.values[i])->original;
	for (size_t i = 0; i < check->flats.keys.n; i++)
		flats += ((const struct checked_tree *)check->flats.values[i])->original;
	if (layers || flats)
		context_notice(&check->session->context, DUCC_INFO,
			       "%s: %zu layer%s and %zu root file system%s of the original DUCC "
			       "without a listing: not all of their faults can be found",
			       check->repository.name, layers, text_plural(layers), flats,
			       text_plural(flats));
}

/* --- the job ---------------------------------------------------------- */

static int open_repository(struct check *check, ducc_error **err)
{
	const char *name = check->session->repository;
	AUTO_CLOSE int root = -1;
	struct stat st;
	int found;

	if (!name)
		return session_no_repository(err);
	found = targets_open(&check->repository, name, check->session->store_path, err);
	if (found < 0)
		return -1;
	if ((!found && !check->repository.target->created) || check->repository.metadata_only)
		return targets_unmounted(name, err);
	if (targets_need_published(&check->repository, err) < 0)
		return -1;
	root = repository_root(&check->repository);
	if (root < 0)
		return error_errno(err, errno, "repository %s", name);
	/* Who could not set owners owns everything, also this directory. */
	if (!fstatat(root, REPO_LAYERS, &st, AT_SYMLINK_NOFOLLOW))
		check->owner = st.st_uid;
	else if (!is_absence(errno))
		return error_errno(err, errno, "repository %s: %s", name, REPO_LAYERS);
	return 0;
}

/* What readers see now; NULL: unknown. */
static char *revision(const struct check *check)
{
	const struct target *target = check->repository.target;

	return target && target->revision ? target->revision(&check->repository) : NULL;
}

static int look_at_all(struct check *check, ducc_error **err)
{
	bool all = !check->options.n_images;

	if (inventory_read(&check->inventory, &check->repository, err) < 0 ||
	    select_images(check, err) < 0 || check_images(check, err) < 0)
		return -1;
	check_names(check);
	if (check_trees(check, err) < 0)
		return -1;
	check_podman(check);
	if (all && (check_schedule(check, err) < 0 || check_orphans(check, err) < 0))
		return -1;
	return check_structure(check, err);
}

/* Sets *changed to 1 if the repository has changed meanwhile, to 0 if not, and to -1 if that is unknown. */
static int look(struct check *check, int *changed, ducc_error **err)
{
	AUTO_FREE char *before = NULL, *after = NULL;
	int result = open_repository(check, err);

	before = revision(check);
	if (!result)
		result = look_at_all(check, err);
	after = revision(check);
	*changed = before && after ? strcmp(before, after) != 0 : -1;
	return result;
}

static void free_tree(void *value)
{
	struct checked_tree *tree = value;

	strmap_free_values(&tree->wrong, free);
	strset_free(&tree->owners);
	free(tree);
}

static struct check *new_check(ducc_session *session, const struct ducc_check_options *options,
			       const struct check *before)
{
	struct check *check = xcalloc(1, sizeof(*check));

	*check = (struct check){.session = session,
				.options = *options,
				.before = before,
				.failures = FAILURES(&session->context)};
	pthread_mutex_init(&check->mutex, NULL);
	return check;
}

static void free_check(struct check *check)
{
	if (!check)
		return;
	for (size_t i = 0; i < check->n; i++)
		stored_image_free(&check->images[i].stored);
	free(check->images);
	strmap_free_values(&check->layers, free_tree);
	strmap_free_values(&check->flats, free_tree);
	schedule_free(&check->schedule);
	inventory_free(&check->inventory);
	repository_close(&check->repository);
	buffer_free(&check->found);
	strset_free(&check->suspects);
	failures_free(&check->failures);
	pthread_mutex_destroy(&check->mutex);
	free(check);
}

/* True if what the look has found, or its error, is the truth. */
static bool is_true(const struct check *check, int changed, const ducc_error *error)
{
	if (check->last || check->settled || !changed || !check->repository.target)
		return true;
	return error ? ducc_error_kind(error) == DUCC_USAGE
		     : !check->doubtful && !check->failures.n;
}

/*
 * Keeps publishers on this machine waiting, if possible.  Others may still change the repository,
 * which its revision shows.
 */
static int hold(const struct check *check)
{
	return check->repository.target->hold(&check->repository, &check->session->context, NULL);
}

/* Reports what the last look has found, if that is not done, and its records. */
static int report_all(struct check *check, int result, ducc_error **err)
{
	if (!result || !context_cancelled(&check->session->context))
		check_settle(check);
	if (!result) {
		report_original(check);
		result = report_broken(check, err);
	}
	if (failures_end(&check->failures, err) < 0)
		result = error_wrap(err, "repository %s", check->repository.name);
	return result < 0 ? -1 : check->stopped;
}

int ducc_check(ducc_session *session, const struct ducc_check_options *options, ducc_error **err)
{
	struct ducc_check_options taken;
	struct check *check = NULL;
	AUTO_CLOSE int lock = -1;
	int result = options_take(&taken, sizeof(taken), options, err), changed = 1;

	if (result < 0)
		return -1;
	for (unsigned looks = 1;; looks++) {
		struct check *before = check;
		ducc_error *error = NULL;

		check = new_check(session, &taken, before);
		check->last = changed < 0 || looks == LOOKS;
		check->settled = check->last && lock < 0;
		result = look(check, &changed, &error);
		free_check(before);
		check->before = NULL;
		if (context_cancelled(&session->context) || is_true(check, changed, error)) {
			error_hand_over(err, error);
			break;
		}
		ducc_error_free(error);
		if (lock < 0)
			lock = hold(check);
	}
	/* A publisher in the same pipeline may wait for the lock, and the pipe for the publisher. */
	if (lock >= 0)
		close(steal_fd(&lock));
	result = report_all(check, result, err);
	free_check(check);
	return result;
}

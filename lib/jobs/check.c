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
#include <inttypes.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/path.h"
#include "format/record.h"
#include "format/repo_paths.h"
#include "jobs/repair.h"
#include "jobs/targets.h"
#include "podman/podman_check.h"
#include "repo/public_names.h"
#include "repo/target.h"

/* --- reports ---------------------------------------------------------- */

void check_differs(struct check *check, bool *broken, const char *kind, const char *object,
		   const char *path, const char *expected, const char *found)
{
	const struct ducc_difference difference = {kind, object, path, expected, found};
	const struct ducc_check_options *options = &check->options;

	pthread_mutex_lock(&check->mutex);
	*broken = true;
	if (!check->stopped && options->difference)
		check->stopped = !options->difference(options->ctx, &difference);
	pthread_mutex_unlock(&check->mutex);
}

void check_absent(struct check *check, bool *broken, const char *object, const char *path,
		  const char *expected)
{
	int code = errno;

	if (is_absence(code))
		check_differs(check, broken, DIFFERS_MISSING, object, path, expected, NULL);
	else if (is_wrong_type(code))
		check_differs(check, broken, DIFFERS_TYPE, object, path, expected, NULL);
	else
		check_failed(check, object, path, code);
}

void check_attributes(struct check *check, bool *broken, const char *object, const char *path)
{
	struct stat st;

	if (repository_stat(&check->repository, path, &st) < 0) {
		check_absent(check, broken, object, path, "file");
		return;
	}
	if (!S_ISREG(st.st_mode)) /* which is reported with the content */
		return;
	if ((st.st_mode & 07777) != REPO_FILE_MODE) {
		AUTO_FREE char *expected = format("%04o", (unsigned)REPO_FILE_MODE);
		AUTO_FREE char *found = format("%04o", (unsigned)st.st_mode & 07777);

		check_differs(check, broken, DIFFERS_MODE, object, path, expected, found);
	}
	if (st.st_uid && st.st_uid != check->owner) {
		AUTO_FREE char *expected = format("%" PRIuMAX, (uintmax_t)check->owner);
		AUTO_FREE char *found = format("%" PRIuMAX, (uintmax_t)st.st_uid);

		check_differs(check, broken, DIFFERS_OWNER, object, path, expected, found);
	}
}

/* To publish it again would not change who may read it. */
static void unreadable(struct check *check, const char *object, const char *path, const char *why)
{
	bool broken;

	check_differs(check, &broken, DIFFERS_UNREADABLE, object, path, NULL, why);
}

void check_failed(struct check *check, const char *object, const char *path, int code)
{
	if (differs_kind(code))
		unreadable(check, object, path, strerror(code));
	else
		failures_add_errno(&check->failures, code, path);
}

void check_error(struct check *check, bool *broken, const char *object, const char *path,
		 ducc_error *error)
{
	const char *kind = differs_kind_of(error);

	if (!kind) {
		failures_add(&check->failures, error);
		return;
	}
	if (!strcmp(kind, DIFFERS_UNREADABLE))
		unreadable(check, object, path, ducc_error_message(error));
	else
		check_differs(check, broken, kind, object, path, NULL, ducc_error_message(error));
	ducc_error_free(error);
}

bool check_is_stopped(struct check *check)
{
	bool stopped;

	pthread_mutex_lock(&check->mutex);
	stopped = check->stopped;
	pthread_mutex_unlock(&check->mutex);
	return stopped;
}

static void image_differs(struct check *check, struct checked_image *image, const char *kind,
			  const char *path, const char *expected, const char *found)
{
	check_differs(check, &image->broken, kind, image->published->label, path, expected, found);
}

static void image_error(struct check *check, struct checked_image *image, const char *path,
			ducc_error *error)
{
	check_error(check, &image->broken, image->published->label, path, error);
}

static void image_absent(struct check *check, struct checked_image *image, const char *path,
			 const char *expected)
{
	check_absent(check, &image->broken, image->published->label, path, expected);
}

/* --- images ----------------------------------------------------------- */

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

/* Reports a document that does not exist, or has another mode or owner; returns whether it exists. */
static bool has_document(struct check *check, struct checked_image *image, const char *path)
{
	if (!repository_has(&check->repository, path)) {
		image_absent(check, image, path, "file");
		return false;
	}
	check_attributes(check, &image->broken, image->published->label, path);
	return true;
}

/* A failure counts; a difference is reported where the file itself is checked.  Frees the error. */
static void keep_failure(struct check *check, ducc_error *error)
{
	if (error && !differs_kind_of(error))
		failures_add(&check->failures, error);
	else
		ducc_error_free(error);
}

/*
 * Finds the digest of the manifest, for publishing it again.  That of an image without a listing of
 * ours may be another one than in the registry: the original ducc has written it.
 */
static void find_manifest(struct check *check, struct checked_image *image, const char *path)
{
	AUTO_CLOSE int root = repository_root(&check->repository);
	AUTO_FREE char *listing = image_metadata(image->published->label, "rootfs.mtree");
	AUTO_FREE char *data = NULL;
	ducc_error *err = NULL;
	size_t len;
	int found;

	if (image->readable)
		image->manifest = image->stored.digest;
	if (image->readable || !*image->published->flat.hex)
		return;
	found = repository_find(&check->repository, listing);
	if (found < 0)
		error_errno(&err, errno, "%s", listing);
	else if (found && !path_read(root, path, JSON_LIMIT, &data, &len, &err))
		image->manifest = digest_of(data, len);
	keep_failure(check, err);
}

/*
 * An image of the original DUCC: its name leads to its flat tree.  It has no config, which would
 * say for which platform it is.
 */
static void check_link_of_original(struct check *check, struct checked_image *image)
{
	const struct published *published = image->published;
	AUTO_FREE char *directory = flat_directory(&published->flat);
	AUTO_FREE char *found = repository_read_link(&check->repository, published->label);

	if (!found && errno != EINVAL)
		image_absent(check, image, published->label, directory);
	else if (!digest_equal(&published->linked, &published->flat))
		image_differs(check, image, DIFFERS_LINK, published->label, directory, found);
}

/* Reads the manifest and the config, which must have the digest in the manifest. */
static void read_documents(struct check *check, struct checked_image *image)
{
	const char *label = image->published->label;
	AUTO_CLOSE int root = repository_root(&check->repository);
	AUTO_FREE char *manifest = image_metadata(label, "manifest.json");
	AUTO_FREE char *config = image_metadata(label, "config.json");
	bool has_manifest = has_document(check, image, manifest);
	bool both = has_document(check, image, config) && has_manifest; /* reports each */
	ducc_error *err = NULL;

	if (both && !stored_image_read_published(&image->stored, root, label, &err))
		image->readable = true;
	else if (both)
		image_error(check, image,
			    image->stored.manifest.config.media_type ? config : manifest, err);
	find_manifest(check, image, manifest);
}

/* True if both paths are the same file. */
static bool is_same_file(int root, const char *path, const char *other)
{
	AUTO_CLOSE int fd = path_open(root, path, O_PATH, 0);
	AUTO_CLOSE int other_fd = path_open(root, other, O_PATH, 0);
	struct stat st, other_st;

	return fd >= 0 && other_fd >= 0 && !fstat(fd, &st) && !fstat(other_fd, &other_st) &&
	       st.st_dev == other_st.st_dev && st.st_ino == other_st.st_ino;
}

/* The listing with the image is that of its flat tree. */
static void check_listing(struct check *check, struct checked_image *image)
{
	AUTO_CLOSE int root = repository_root(&check->repository);
	AUTO_FREE char *path = image_metadata(image->published->label, "rootfs.mtree");
	AUTO_FREE char *flat = flat_listing(&image->stored.manifest.config.digest), *data = NULL;
	ducc_error *err = NULL;
	size_t len;

	if (!has_document(check, image, path) || repository_lacks(&check->repository, flat) ||
	    is_same_file(root, path, flat))
		return;
	if (path_read(root, flat, SIZE_MAX, &data, &len, &err) < 0) {
		keep_failure(check, err);
		return;
	}
	if (repository_has_file(&check->repository, path, data, len))
		return;
	else if (errno)
		image_absent(check, image, path, "file");
	else
		image_differs(check, image, DIFFERS_CONTENT, path, NULL, NULL);
}

static struct checked_tree *add_tree(struct strmap *trees, const struct published *image,
				     const struct digest *digest)
{
	struct checked_tree *tree = strmap_get(trees, digest->hex);

	if (tree)
		return tree;
	tree = xcalloc(1, sizeof(*tree));
	tree->image = image;
	strmap_put(trees, digest->hex, tree);
	return tree;
}

/* Adds the trees that the image needs, according to its manifest. */
static void add_trees(struct check *check, const struct checked_image *image)
{
	const struct published *published = image->published;

	for (size_t i = 0; i < published->n_layers; i++) {
		struct checked_tree *tree =
			add_tree(&check->layers, published, &published->layers[i]);

		if (image->readable)
			tree->diff_id = image->stored.config.diff_ids[i].hex;
	}
	if (*published->flat.hex)
		add_tree(&check->flats, published, &published->flat);
}

static int read_images(struct check *check, ducc_error **err)
{
	for (size_t i = 0; i < check->n; i++) {
		struct checked_image *image = &check->images[i];
		const struct published *published = image->published;
		int original;

		if (context_cancelled(&check->session->context))
			return context_interrupted(err);
		if (published->failure)
			image_error(check, image, published->label, error_copy(published->failure));
		if (published->failure && !*published->manifest.hex)
			continue; /* nothing else is known of it */
		original = check_original_image(check, published->label);
		if (original > 0)
			check_link_of_original(check, image);
		else if (!original)
			read_documents(check, image);
		if (image->readable)
			check_listing(check, image);
		add_trees(check, image);
	}
	return 0;
}

/* --- public names ----------------------------------------------------- */

/* The images of one name. */
struct name {
	struct check *check;
	struct checked_image **images;
	size_t n;
};

/* The image to which the link belongs. */
static struct checked_image *image_of(const struct name *name, const char *path)
{
	for (size_t i = 1; i < name->n; i++)
		if (!strcmp(path, name->images[i]->published->label))
			return name->images[i];
	return name->images[0];
}

static int check_link(void *ctx, const char *path, const char *target, ducc_error **err)
{
	const struct name *name = ctx;
	const struct repository *repository = &name->check->repository;
	AUTO_FREE char *found = repository_read_link(repository, path);
	bool unknown = !found && errno != EINVAL;

	(void)err;
	if (unknown)
		image_absent(name->check, image_of(name, path), path, target);
	else if (!found || !link_matches(found, target))
		image_differs(name->check, image_of(name, path), DIFFERS_LINK, path, target, found);
	return 0;
}
static int check_name(struct name *name, ducc_error **err)
{
	const struct names names = {&name->check->repository, check_link, name};
	AUTO_FREE struct naming *namings = xcalloc(name->n, sizeof(*namings));
	int result;

	for (size_t i = 0; i < name->n; i++) {
		const struct checked_image *image = name->images[i];

		namings[i].name = image->published->name;
		namings[i].platform = names_platform(&image->stored.config.platform);
		namings[i].config = &image->stored.manifest.config.digest;
	}
	result = names_each(&names, namings, name->n, err);
	for (size_t i = 0; i < name->n; i++) {
		free(namings[i].platform);
		free(namings[i].label);
	}
	return result;
}

static int by_name(const void *a, const void *b)
{
	const struct published *x = (*(struct checked_image *const *)a)->published;
	const struct published *y = (*(struct checked_image *const *)b)->published;
	int order = strcmp(x->name, y->name);

	return order ? order : strcmp(x->label, y->label);
}

/* Names of which an image is unreadable are not checked: they may depend on its platform. */
static int check_names(struct check *check, ducc_error **err)
{
	AUTO_FREE struct checked_image **images = xcalloc(check->n, sizeof(*images));
	size_t n = 0;

	for (; n < check->n; n++)
		images[n] = &check->images[n];
	if (n)
		qsort(images, n, sizeof(*images), by_name);
	for (size_t first = 0, end; first < n; first = end) {
		bool readable = true;

		for (end = first; end < n && !strcmp(images[end]->published->name,
						     images[first]->published->name);
		     end++)
			readable &= images[end]->readable;
		if (readable &&
		    check_name(&(struct name){check, images + first, end - first}, err) < 0)
			return -1;
	}
	return 0;
}

/* --- Podman ----------------------------------------------------------- */

static void on_podman_failure(void *ctx, const char *path, ducc_error *error)
{
	struct check *check = ctx;
	bool broken;

	check_error(check, &broken, NULL, path, error);
}

static void on_podman_file(void *ctx, size_t i, const char *path)
{
	struct check *check = ctx;
	bool none = false;

	check_attributes(check, i < check->n ? &check->images[i].broken : &none,
			 i < check->n ? check->images[i].published->label : NULL, path);
}

static void on_podman(void *ctx, size_t i, const char *kind, const char *path, const char *expected,
		      const char *found)
{
	struct check *check = ctx;
	bool broken;

	if (i < check->n)
		image_differs(check, &check->images[i], kind, path, expected, found);
	else
		check_differs(check, &broken, kind, NULL, path, expected, found);
}

static struct podman_checked podman_image(const struct checked_image *image)
{
	const struct stored_image *stored = &image->stored;
	const char *name = image->published->name;

	return (struct podman_checked){
		.name = name,
		.named = !strcmp(name, image->published->label),
		.image = {.manifest = image->readable ? &stored->manifest : NULL,
			  .manifest_json = stored->manifest_json,
			  .manifest_len = stored->manifest_len,
			  .digest = &stored->digest,
			  .config = &stored->config,
			  .config_json = stored->config_json,
			  .config_len = stored->config_len}};
}

/* Podman's lists also have the digest of a manifest that is missing or damaged. */
static void check_podman(struct check *check)
{
	AUTO_FREE struct podman_checked *checked = xcalloc(check->n, sizeof(*checked));
	struct podman_check podman = {&check->repository, on_podman, on_podman_file,
				      on_podman_failure, check};

	for (size_t i = 0; i < check->n; i++)
		checked[i] = podman_image(&check->images[i]);
	podman_check(&podman, checked, check->n,
		     check->options.n_images ? NULL : &check->inventory);
	for (size_t i = 0; i < check->n; i++)
		if (*checked[i].listed.hex)
			check->images[i].manifest = checked[i].listed;
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

/* The value of repair=: the broken trees of the image, or "names" if there is none. */
static char *what_to_repair(const struct check *check, const struct checked_image *image)
{
	const struct published *published = image->published;
	struct buffer list = {0};

	for (size_t i = 0; i < published->n_layers; i++)
		if (is_broken(&check->layers, &published->layers[i]))
			add_word(&list, published->layers[i].hex);
	if (is_broken(&check->flats, &published->flat))
		add_word(&list, published->flat.hex);
	if (!list.len && image->broken)
		add_word(&list, REPAIR_NAMES);
	return list.len ? buffer_steal(&list) : NULL;
}

/* The platform of an image, from its config, else from its label; or NULL.  The caller frees it. */
static char *platform_of(const struct checked_image *image)
{
	const char *label = image->published->label;
	char *platform, *colon;

	if (image->readable)
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

		if (!repair || (check->failures.first && !check->images[i].readable))
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
			       "%s: %zu layers and %zu root file systems of the original DUCC have "
			       "no listings: not all of their faults can be found",
			       check->repository.name, layers, flats);
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
	if (!found && check->repository.target->created)
		return error_set_kind(err, DUCC_NOT_FOUND, "repository %s does not exist", name);
	if (!found || check->repository.metadata_only)
		return targets_unmounted(name, err);
	root = repository_root(&check->repository);
	if (root < 0)
		return error_errno(err, errno, "repository %s", name);
	/* Who could not set owners owns everything, also this directory. */
	if (!fstatat(root, REPO_LAYERS, &st, AT_SYMLINK_NOFOLLOW))
		check->owner = st.st_uid;
	else if (!is_absence(errno))
		return error_errno(err, errno, "repository %s: %s", name, REPO_LAYERS);
	else if (path_is_absent(root, REPO_METADATA))
		context_notice(&check->session->context, DUCC_WARNING,
			       "repository %s: nothing is published in it", name);
	return 0;
}

static int run(struct check *check, ducc_error **err)
{
	bool all = !check->options.n_images;

	if (open_repository(check, err) < 0 ||
	    inventory_read(&check->inventory, &check->repository, err) < 0 ||
	    select_images(check, err) < 0 || read_images(check, err) < 0 ||
	    check_names(check, err) < 0 || check_trees(check, err) < 0)
		return -1;
	check_podman(check);
	report_original(check);
	if (all && (check_schedule(check, err) < 0 || check_orphans(check, err) < 0))
		return -1;
	return report_broken(check, err);
}

static void free_tree(void *value)
{
	struct checked_tree *tree = value;

	strmap_free_values(&tree->wrong, free);
	strset_free(&tree->owners);
	free(tree);
}

int ducc_check(ducc_session *session, const struct ducc_check_options *options, ducc_error **err)
{
	struct check check = {.session = session, .failures = FAILURES(&session->context)};
	int result = options_take(&check.options, sizeof(check.options), options, err);

	pthread_mutex_init(&check.mutex, NULL);
	if (!result)
		result = run(&check, err);
	if (failures_end(&check.failures, err) < 0)
		result = error_wrap(err, "repository %s", check.repository.name);
	for (size_t i = 0; i < check.n; i++)
		stored_image_free(&check.images[i].stored);
	free(check.images);
	strmap_free_values(&check.layers, free_tree);
	strmap_free_values(&check.flats, free_tree);
	schedule_free(&check.schedule);
	inventory_free(&check.inventory);
	repository_close(&check.repository);
	pthread_mutex_destroy(&check.mutex);
	return result < 0 ? -1 : check.stopped;
}

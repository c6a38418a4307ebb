/* The job of ducc-ls: listing the images of a repository or a store (ducc.h). */
#include "jobs/list.h"

#include <fnmatch.h>
#include <inttypes.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "base/strset.h"
#include "format/record.h"
#include "format/repo_paths.h"
#include "jobs/wishes.h"

#define DEFAULT_JOBS 16 /* on a network file system, readers mostly wait */

struct listed *list_add(struct list *list, const char *name)
{
	GROW(list->images, list->n, list->capacity);
	list->images[list->n] = (struct listed){.name = xstrdup(name)};
	return &list->images[list->n++];
}

void list_add_layer(struct listed *image, const struct digest *digest, uint64_t size)
{
	for (size_t i = 0; i < image->n_layers; i++)
		if (digest_equal(&image->layers[i].digest, digest))
			return;
	GROW(image->layers, image->n_layers, image->layers_capacity);
	image->layers[image->n_layers++] = (struct listed_layer){*digest, size};
	image->size += size;
}

void list_take(struct listed *image, const struct manifest *manifest)
{
	image->config = manifest->config.digest;
	for (size_t i = 0; i < manifest->n; i++)
		list_add_layer(image, &manifest->layers[i].digest, manifest->layers[i].size);
}

int list_reference(const struct listed *image, struct reference *reference, ducc_error **err)
{
	AUTO_REFERENCE wanted = {NULL};

	if (reference_parse(reference, image->name, err) < 0)
		return -1;
	if (image->wanted && !reference_parse(&wanted, image->wanted, NULL)) {
		free(reference->scheme);
		reference->scheme = STEAL(wanted.scheme);
	}
	return 0;
}

static void free_image(struct listed *image)
{
	free(image->name);
	free(image->platform);
	free(image->layers);
	free(image->state);
	free(image->damaged);
	ducc_error_free(image->error);
}

/* --- selection -------------------------------------------------------- */

/* An operand, as a reference if it is one. */
struct pattern {
	const char *text;
	struct reference reference;
	bool is_reference, used;
};

static int parse_patterns(const struct ducc_list_options *options, struct pattern *patterns,
			  ducc_error **err)
{
	for (size_t i = 0; i < options->n_images; i++) {
		struct pattern *pattern = &patterns[i];
		ducc_error *error = NULL;

		pattern->text = options->images[i];
		pattern->is_reference =
			!reference_parse_pattern(&pattern->reference, pattern->text, &error);
		if (!pattern->is_reference && !strpbrk(pattern->text, "*?["))
			return error_give(err, error);
		ducc_error_free(error);
	}
	return 0;
}

static bool matches(const struct pattern *pattern, const char *name)
{
	return (pattern->is_reference && reference_matches(&pattern->reference, name)) ||
	       !fnmatch(pattern->text, name, 0);
}

/* A wanted image that is missing is listed, but does not make up for the image that is named. */
static bool satisfies(const struct list *list, const struct listed *image,
		      const struct pattern *pattern)
{
	return list->options.store || image->published || !pattern->is_reference ||
	       reference_is_pattern(&pattern->reference);
}

static void select_images(struct list *list, struct pattern *patterns)
{
	size_t n = list->options.n_images;

	for (size_t i = 0; i < list->n; i++) {
		struct listed *image = &list->images[i];

		image->selected = !n;
		for (size_t k = 0; k < n; k++) {
			if (!matches(&patterns[k], image->name))
				continue;
			image->selected = true;
			patterns[k].used |= satisfies(list, image, &patterns[k]);
		}
	}
}

/* --- reading ---------------------------------------------------------- */

static int read_one(void *ctx, size_t i, ducc_error **err)
{
	struct list *list = ctx;

	if (context_cancelled(&list->session->context))
		return context_interrupted(err);
	if (list->options.own || list->images[i].selected)
		list->read(list, &list->images[i]);
	return 0;
}

static int ask_one(void *ctx, size_t i, ducc_error **err)
{
	struct list *list = ctx;
	struct listed *image = &list->images[i];

	if (context_cancelled(&list->session->context))
		return context_interrupted(err);
	if (image->selected && image->n_layers)
		list_ask_registry(list, image);
	return 0;
}

static int for_each(struct list *list, int (*work)(void *ctx, size_t i, ducc_error **err),
		    ducc_error **err)
{
	unsigned jobs = list->session->jobs;

	return parallel_run(list->n, jobs ? jobs : DEFAULT_JOBS, work, list, err);
}

static int by_name(const void *a, const void *b)
{
	const struct listed *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order
		     : strcmp(x->platform ? x->platform : "", y->platform ? y->platform : "");
}

static void find_own(struct list *list)
{
	struct strmap users = {.values = NULL}; /* of each layer: the image, or `list` if several */

	for (size_t i = 0; i < list->n; i++) {
		struct listed *image = &list->images[i];

		for (size_t k = 0; k < image->n_layers; k++) {
			const char *layer = image->layers[k].digest.hex;

			strmap_put(&users, layer, strmap_get(&users, layer) ? (void *)list : image);
		}
	}
	for (size_t i = 0; i < list->n; i++) {
		struct listed *image = &list->images[i];

		for (size_t k = 0; k < image->n_layers; k++)
			if (strmap_get(&users, image->layers[k].digest.hex) == image)
				image->own += image->layers[k].size;
	}
	strmap_free(&users);
}

/* --- records ---------------------------------------------------------- */

static void set(ducc_record *record, const char *key, const char *value)
{
	AUTO_FREE char *shown = value ? ducc_printable(value) : NULL;

	if (shown)
		ducc_record_set(record, key, shown, NULL);
}

static void set_number(ducc_record *record, const char *key, uint64_t number)
{
	AUTO_FREE char *text = format("%" PRIu64, number);

	set(record, key, text);
}

static void set_time(ducc_record *record, const char *key, time_t when)
{
	AUTO_FREE char *text = clock_format(when);

	set(record, key, text);
}

/* Names of the original ducc need not be references. */
static ducc_record *make_record(const struct listed *image, ducc_error **err)
{
	AUTO_REFERENCE reference = {NULL};

	if (list_reference(image, &reference, NULL) < 0)
		return ducc_record_new(image->name, err);
	if (*image->manifest.hex)
		reference.digest = image->manifest;
	return record_new(&reference);
}

static void set_removal(const struct list *list, const struct listed *image, ducc_record *record)
{
	const struct scheduled *scheduled = schedule_find(&list->schedule, image->name);

	if (!scheduled)
		return;
	set_time(record, "unwanted", scheduled->since);
	set_time(record, "remove",
		 scheduled->removing ? scheduled->since
				     : scheduled->since + (time_t)list->options.grace);
}

static void set_wish(const struct wish *wish, ducc_record *record)
{
	if (!wish)
		return;
	set(record, "list", wish->lists);
	set(record, "failing", wish->failing);
	set(record, "error", wish->error);
}

static void set_fields(const struct list *list, const struct listed *image,
		       const struct strmap *wishes, ducc_record *record)
{
	set(record, "name", image->name);
	set(record, "platform", image->platform);
	set(record, "repo", list->options.store ? NULL : list->session->repository);
	set(record, "state", image->state);
	if (image->since)
		set_time(record, "since", image->since);
	if (image->n_layers) {
		set_number(record, "layers", image->n_layers);
		set_number(record, "size", image->size);
		if (list->options.own)
			set_number(record, "own", image->own);
	}
	set(record, "current", image->current);
	set(record, "damaged", image->damaged);
	set_removal(list, image, record);
	set_wish(strmap_get(wishes, image->name), record);
}

static int report(struct list *list, const struct strmap *wishes, ducc_error **err)
{
	const struct ducc_list_options *options = &list->options;
	bool more = true;

	for (size_t i = 0; more && i < list->n; i++) {
		struct listed *image = &list->images[i];
		ducc_record *record;

		if (!image->selected)
			continue;
		record = make_record(image, err);
		if (!record)
			return error_wrap(err, "%s", image->name);
		set_fields(list, image, wishes, record);
		if (image->error)
			error_wrap(&image->error, "%s", image->name);
		more = options->image(options->ctx, record, STEAL(image->error));
	}
	return !more;
}

/* True if the text is a part of a name that it does not select. */
static bool is_part(const struct list *list, const struct pattern *pattern)
{
	for (size_t i = 0; i < list->n; i++)
		if (strstr(list->images[i].name, pattern->text) &&
		    !matches(pattern, list->images[i].name))
			return true;
	return false;
}

/* Reports the operands that match nothing, or name an image that is missing. */
static int report_unused(struct list *list, const struct pattern *patterns)
{
	const struct ducc_list_options *options = &list->options;

	for (size_t i = 0; i < options->n_images; i++) {
		AUTO_FREE char *name = NULL; /* in full */
		ducc_error *error = NULL;

		if (patterns[i].used)
			continue;
		if (patterns[i].is_reference)
			name = reference_name(&patterns[i].reference);
		error_set_kind(
			&error, DUCC_NOT_FOUND, "%s: not in %s %s", name ? name : patterns[i].text,
			options->store ? "store" : "repository",
			options->store ? list->session->store_path : list->session->repository);
		if (is_part(list, &patterns[i]))
			error_advise(&error, "for the names that contain it, use '*%s*'",
				     patterns[i].text);
		if (!options->image(options->ctx, NULL, error))
			return 1;
	}
	return 0;
}

/* Without the schedule, images that ducc-gc is to remove look like all others; without a mount, none is there. */
static int report_trouble(struct list *list)
{
	const struct ducc_list_options *options = &list->options;

	return list->trouble && !options->image(options->ctx, NULL, STEAL(list->trouble));
}

/* --- the job ---------------------------------------------------------- */

/* Adds the wanted images that are not published. */
static void add_missing(struct list *list, const struct strmap *wishes)
{
	AUTO_STRSET published = {NULL};

	for (size_t i = 0; i < list->n; i++)
		strset_add(&published, list->images[i].name);
	for (size_t i = 0; i < wishes->keys.n; i++)
		if (!strset_has(&published, wishes->keys.list[i]))
			list_add(list, wishes->keys.list[i])->state = xstrdup("missing");
}

/* They only explain the images that are listed in any case. */
static void read_failures(const struct list *list, struct strmap *wishes)
{
	ducc_error *error = NULL;

	if (wishes_read_published(wishes, &list->repository, &error) < 0)
		context_notice(&list->session->context, DUCC_WARNING,
			       "%s; failing images are unknown", ducc_error_message(error));
	ducc_error_free(error);
}

static int find_images(struct list *list, struct strmap *wishes, ducc_error **err)
{
	if (list->options.store)
		return list_store(list, err);
	if (list_repository(list, err) < 0)
		return -1;
	wishes_read(wishes, list->session->store_path, list->session->repository);
	read_failures(list, wishes);
	add_missing(list, wishes);
	for (size_t i = 0; i < list->n; i++) {
		const struct wish *wish = strmap_get(wishes, list->images[i].name);

		list->images[i].wanted = wish ? wish->reference : NULL;
	}
	return 0;
}

static int run(struct list *list, struct pattern *patterns, struct strmap *wishes, ducc_error **err)
{
	int result;

	if (parse_patterns(&list->options, patterns, err) < 0 || find_images(list, wishes, err) < 0)
		return -1;
	select_images(list, patterns);
	if (for_each(list, read_one, err) < 0 ||
	    (list->options.remote && for_each(list, ask_one, err) < 0))
		return -1;
	if (list->n)
		qsort(list->images, list->n, sizeof(*list->images), by_name);
	if (list->options.own)
		find_own(list);
	result = report(list, wishes, err);
	if (!result)
		result = report_unused(list, patterns);
	return result ? result : report_trouble(list);
}

int ducc_list(ducc_session *session, const struct ducc_list_options *options, ducc_error **err)
{
	struct list list = {.session = session, .store = {.fd = -1}};
	struct strmap wishes = {.values = NULL};
	AUTO_FREE struct pattern *patterns = NULL;
	int result;

	if (options_take(&list.options, sizeof(list.options), options, err) < 0)
		return -1;
	patterns = xcalloc(list.options.n_images, sizeof(*patterns));
	result = run(&list, patterns, &wishes, err);
	for (size_t i = 0; i < list.options.n_images; i++)
		reference_free(&patterns[i].reference);
	for (size_t i = 0; i < list.n; i++)
		free_image(&list.images[i]);
	free(list.images);
	wishes_free(&wishes);
	ducc_error_free(list.trouble);
	schedule_free(&list.schedule);
	inventory_free(&list.inventory);
	repository_close(&list.repository);
	store_close(&list.store);
	return result;
}

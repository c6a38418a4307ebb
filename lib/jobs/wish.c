/* The job of ducc-wish: expanding wish lists to the wanted images (ducc.h). */
#include "base/mem.h"
#include "format/record.h"
#include "format/reference.h"
#include "format/thin_name.h"
#include "jobs/session.h"
#include "jobs/wish_list.h"
#include "net/tag_survey.h"

#define DEFAULT_JOBS 16 /* registries in parallel */

/* A line of a list, or a list that could not be read, in the order of the input. */
struct item {
	const struct wish_list *list;
	struct wish *wish;          /* NULL: the whole list */
	struct reference reference; /* or pattern */
	struct tagset *tags;        /* to expand a pattern; NULL: not needed */
	char *news;                 /* not a wish: the name of an image in the list of news */
	ducc_error *error;
};

struct job {
	ducc_session *session;
	struct item *items;
	size_t n, capacity;
	size_t n_news; /* the first items are news */
	bool only_news;
	struct strmap excluded; /* to wishes: the names that lists exclude, see exclusion_key() */
	struct strmap patterns; /* to struct group: those that they exclude, of each repository */
	struct strmap news;     /* to struct group: those of each repository, and of each name */
	size_t next;            /* to be passed to wanted() */
	struct survey survey;
	struct strset printed; /* records already passed to wanted(), as text */
	struct strmap thins;   /* names of thin images in these records: to those of their images */
	struct strset
		thin_names; /* of all wishes, and of tags that they select: these are no images to select */
	bool knows_thin_names; /* those of wishes without wildcards are among them */
	bool (*wanted)(void *ctx, ducc_record *record, ducc_error *error);
	bool stopped;    /* by wanted() */
	bool incomplete; /* what could not be read may want, or exclude, images */
	void *ctx;
};

/* Items that are found by the same key, in their order. */
struct group {
	size_t *items; /* their indices */
	size_t n, capacity;
};

static void group_free(void *value)
{
	struct group *group = value;

	free(group->items);
	free(group);
}

static void add_to_group(const struct job *job, struct strmap *groups, const char *key,
			 const struct item *item)
{
	struct group *group = strmap_get(groups, key);

	if (!group) {
		group = xcalloc(1, sizeof(*group));
		strmap_put(groups, key, group);
	}
	GROW(group->items, group->n, group->capacity);
	group->items[group->n++] = (size_t)(item - job->items);
}

/* --- reading lists ---------------------------------------------------- */

static struct item *new_item(struct job *job, const struct wish_list *list)
{
	GROW(job->items, job->n, job->capacity);
	job->items[job->n] = (struct item){.list = list};
	return &job->items[job->n++];
}

static struct item *add_item(struct job *job, const struct wish_list *list, struct wish *wish,
			     int (*parse)(struct reference *, const char *, ducc_error **))
{
	struct item *item = new_item(job, list);

	item->wish = wish;
	item->error = STEAL(wish->error);
	if (!item->error)
		parse(&item->reference, ducc_record_reference(wish->record), &item->error);
	return item;
}

/* The key of a repository in a list; NULL: in the list of news. */
static char *repository_key(const struct wish_list *list, const struct reference *reference)
{
	return format("%p %s/%s", (const void *)list, reference->registry, reference->repository);
}

static void add_news(struct job *job, const struct wish_list *list, struct wish *wish)
{
	const char *event = wish->record ? ducc_record_get(wish->record, "event") : NULL;
	AUTO_FREE char *key = NULL;
	struct item *item;

	if (wish->excludes || (event && !strcmp(event, "delete")))
		return;
	item = add_item(job, list, wish, reference_parse);
	if (item->error)
		return;
	item->news = reference_name(&item->reference);
	key = repository_key(NULL, &item->reference);
	add_to_group(job, &job->news, key, item);
	add_to_group(job, &job->news, item->news, item);
}

static char *exclusion_key(const struct wish_list *list, const char *name)
{
	return format("%p %s", (const void *)list, name);
}

static void add_exclusion(struct job *job, struct item *item)
{
	AUTO_FREE char *name = NULL, *key = NULL;

	if (reference_is_pattern(&item->reference)) {
		key = repository_key(item->list, &item->reference);
		add_to_group(job, &job->patterns, key, item);
		return;
	}
	name = reference_name(&item->reference);
	key = exclusion_key(item->list, name);
	strmap_put(&job->excluded, key, item->wish);
}

static void add_wish(struct job *job, const struct wish_list *list, struct wish *wish)
{
	struct item *item = add_item(job, list, wish, reference_parse_pattern);

	if (item->error)
		return;
	if (wish->excludes) {
		add_exclusion(job, item);
		return;
	}
	if (job->only_news || !reference_is_pattern(&item->reference))
		return;
	if (job->session->dry_run)
		context_notice(&job->session->context, DUCC_INFO, "would list the tags of %s/%s",
			       item->reference.registry, item->reference.repository);
	else
		item->tags = survey_add(&job->survey, &item->reference);
}

static int read_list(struct job *job, struct wish_list *list, const char *where,
		     void (*add)(struct job *job, const struct wish_list *list, struct wish *wish))
{
	ducc_error *error = NULL;

	if (wish_list_read(list, where, job->session->network, &error) < 0) {
		new_item(job, list)->error = error;
		return -1;
	}
	for (size_t i = 0; i < list->n; i++)
		add(job, list, &list->wishes[i]);
	return 0;
}

static int read_wishes(struct job *job, struct wish_list *list, const char *where)
{
	ducc_error *error = NULL;

	if (read_list(job, list, where, add_wish) < 0)
		return -1;
	/* A truncated file must not mean that no image is wanted. */
	if (list->n || list->is_recipe)
		return 0;
	error_set(&error, "%s: empty list", list->name);
	new_item(job, list)->error = error;
	return -1;
}

/* --- results ---------------------------------------------------------- */

/* True the first time that it gets the record. */
static bool is_new(struct job *job, const ducc_record *record)
{
	AUTO_FREE char *text = ducc_record_format(record);

	return strset_add(&job->printed, text);
}

/* True for the record of an image that was selected by a wildcard. */
static bool is_expanded(const struct item *item, const ducc_record *record)
{
	return item->wish && reference_is_pattern(&item->reference) &&
	       !strchr(ducc_record_reference(record), '*');
}

/* Takes ownership of record and error. */
static void hand_over(struct job *job, const struct item *item, ducc_record *record,
		      ducc_error *error)
{
	bool unknown = !record; /* which image is wanted */

	if (error && item->wish) {
		if (item->wish->record)
			error_wrap(&error, "%s", ducc_record_reference(item->wish->record));
		error_wrap(&error, "%s: line %u", item->list->name, item->wish->line);
	}
	if (record && !is_new(job, record)) {
		ducc_record_free(record);
		record = NULL;
	}
	if (record && is_expanded(item, record))
		ducc_record_set(record, "wildcard", "yes", NULL);
	if (job->stopped || (!record && !error)) {
		ducc_record_free(record);
		ducc_error_free(error);
		return;
	}
	job->incomplete |= unknown && (size_t)(item - job->items) >= job->n_news;
	pthread_mutex_lock(&job->session->context.mutex);
	job->stopped = !job->wanted(job->ctx, record, error);
	pthread_mutex_unlock(&job->session->context.mutex);
}

/* The repository in the wish itself takes precedence over that of its list. */
static int set_repository(const struct job *job, const struct wish_list *list, ducc_record *record,
			  ducc_error **err)
{
	const char *repository = ducc_repository(job->session, record);

	if (!repository)
		repository = list->repository;
	return repository ? ducc_record_set(record, "repo", repository, err) : 0;
}

/* The format of the thin images' names; NULL: they have none. */
static const char *thin_format(const struct wish_list *list, const ducc_record *record)
{
	const char *repository = ducc_record_get(record, "repo");

	if (list->output_format || !list->is_recipe)
		return list->output_format;
	/* The path of a directory means nothing on other hosts. */
	return repository && strchr(repository, '/') ? NULL : THIN_NAME_DEFAULT;
}

static int set_thin(const struct wish_list *list, const struct reference *reference,
		    ducc_record *record, ducc_error **err)
{
	const char *form = thin_format(list, record);
	AUTO_FREE char *thin = NULL;

	if (!form || reference_is_pattern(reference))
		return 0;
	thin = thin_name_format(form, reference, err);
	if (!thin || ducc_record_set(record, "thin", thin, err) < 0)
		return -1;
	return list->user ? ducc_record_set(record, "user", list->user, err) : 0;
}

/* The name of the record's thin image, without the scheme, which the caller frees; NULL: none. */
static char *thin_name(const ducc_record *record)
{
	const char *thin = ducc_record_get(record, "thin");
	AUTO_REFERENCE reference = {NULL};

	return thin && !reference_parse(&reference, thin, NULL) ? reference_name(&reference) : NULL;
}

/*
 * The thin images of two images, or of one in two repositories, would overwrite each other: only the first in the
 * order of the lists has one.
 */
static int claim_thin(struct job *job, const char *name, ducc_record *record, ducc_error **err)
{
	const char *repository = ducc_record_get(record, "repo");
	AUTO_FREE char *thin = thin_name(record), *image = NULL;
	const char *first;

	if (!thin)
		return 0;
	image = repository ? format("%s in %s", name, repository) : xstrdup(name);
	first = strmap_get(&job->thins, thin);
	if (!first)
		strmap_put(&job->thins, thin, STEAL(image));
	if (!first || !strcmp(first, image))
		return 0;
	record_unset(record, "thin");
	return error_set(err, "%s: no thin image: its name, %s, is that of %s", image, thin, first);
}

/* NULL with *err set: no record.  A record with *err set: an image that is wanted anyway. */
static ducc_record *make_record(const struct job *job, const struct item *item,
				const struct reference *reference, ducc_error **err)
{
	ducc_record *record = ducc_record_copy(item->wish->record);

	record_set_reference(record, reference);
	if (set_repository(job, item->list, record, err) < 0) {
		ducc_record_free(record);
		return NULL;
	}
	set_thin(item->list, reference, record, err);
	return record;
}

/* The exclusion in the same list that the image matches; NULL: none. */
static struct wish *find_exclusion(const struct job *job, const struct item *wanted,
				   const struct reference *reference, const char *name)
{
	AUTO_FREE char *key = exclusion_key(wanted->list, name);
	AUTO_FREE char *repository = repository_key(wanted->list, reference);
	struct wish *found = strmap_get(&job->excluded, key);
	const struct group *patterns = strmap_get(&job->patterns, repository);

	for (size_t i = 0; !found && patterns && i < patterns->n; i++) {
		const struct item *item = &job->items[patterns->items[i]];

		if (reference_matches(&item->reference, name))
			found = item->wish;
	}
	return found;
}

static void hand_over_image(struct job *job, const struct item *item,
			    const struct reference *reference)
{
	AUTO_FREE char *name = reference_name(reference);
	struct wish *exclusion = find_exclusion(job, item, reference, name);
	ducc_error *error = NULL;
	ducc_record *record;

	if (exclusion) {
		exclusion->has_excluded = true;
		context_notice(&job->session->context, DUCC_INFO, "%s: line %u excludes %s",
			       item->list->name, exclusion->line, name);
		return;
	}
	record = make_record(job, item, reference, &error);
	if (record && !error)
		claim_thin(job, name, record, &error);
	hand_over(job, item, record, error);
}

/* A pattern with unknown tags is still wanted. */
static void hand_over_pattern(struct job *job, const struct item *item)
{
	ducc_error *error = error_copy(item->tags->error);
	ducc_record *record;

	error_wrap(&error, "not expanded");
	record = make_record(job, item, &item->reference, NULL);
	hand_over(job, item, record, error);
}

static void add_thin_name(struct job *job, const struct item *item,
			  const struct reference *reference)
{
	ducc_record *record = make_record(job, item, reference, NULL);
	AUTO_FREE char *thin = record ? thin_name(record) : NULL, *name = reference_name(reference);

	/* ducc-thin refuses a name that is the image's own. */
	if (thin && strcmp(thin, name) != 0)
		strset_add(&job->thin_names, thin);
	ducc_record_free(record);
}

static bool is_image(const struct item *item)
{
	return item->wish && !item->error && !item->news && !item->wish->excludes &&
	       !reference_is_pattern(&item->reference);
}

/* Thin images are pushed where a wildcard may find them, also those of images that are excluded or thin ones. */
static void find_thin_names(struct job *job, const struct item *item, struct strset *tags)
{
	struct reference image = item->reference;

	for (size_t i = 0; i < job->n && !job->knows_thin_names; i++)
		if (is_image(&job->items[i]))
			add_thin_name(job, &job->items[i], &job->items[i].reference);
	job->knows_thin_names = true;
	for (size_t i = 0; i < tags->n; i++) {
		image.tag = tags->list[i];
		add_thin_name(job, item, &image);
	}
}

static bool names_thin_image(const struct job *job, const struct item *item,
			     const struct reference *image)
{
	AUTO_FREE char *name = reference_name(image);
	bool thin = strset_has(&job->thin_names, name);

	if (thin)
		context_notice(&job->session->context, DUCC_INFO,
			       "%s: line %u: %s is a thin image, not selected", item->list->name,
			       item->wish->line, name);
	return thin;
}

static void expand(struct job *job, const struct item *item)
{
	struct reference image = item->reference;
	AUTO_STRSET tags = {NULL};

	for (size_t i = 0; i < item->tags->tags.n; i++)
		if (tag_matches(image.tag, item->tags->tags.list[i]))
			strset_add(&tags, item->tags->tags.list[i]);
	find_thin_names(job, item, &tags);
	for (size_t i = 0; i < tags.n; i++) {
		image.tag = tags.list[i];
		if (!names_thin_image(job, item, &image))
			hand_over_image(job, item, &image);
	}
	if (!tags.n)
		context_notice(&job->session->context, DUCC_WARNING,
			       "%s: line %u: %s: no tag matches", item->list->name,
			       item->wish->line, ducc_record_reference(item->wish->record));
}

/*
 * Passes on the images in the list of news that match the wish.  A pinned wish does not
 * change: it matches only news with its digest.
 */
static void hand_over_news(struct job *job, const struct item *item)
{
	const struct reference *wish = &item->reference;
	AUTO_FREE char *key =
		reference_is_pattern(wish) ? repository_key(NULL, wish) : reference_name(wish);
	const struct group *group = strmap_get(&job->news, key);

	for (size_t i = 0; group && i < group->n; i++) {
		const struct item *news = &job->items[group->items[i]];
		struct reference image = news->reference;

		if (!reference_matches(wish, news->news) ||
		    (reference_is_pinned(wish) && !digest_equal(&wish->digest, &image.digest)))
			continue;
		image.scheme = wish->scheme;
		hand_over_image(job, item, &image);
	}
}

static void hand_over_item(struct job *job, struct item *item)
{
	if (!item->wish || item->error)
		hand_over(job, item, NULL, STEAL(item->error));
	else if (item->news || item->wish->excludes)
		return;
	else if (job->only_news)
		hand_over_news(job, item);
	else if (!item->tags)
		hand_over_image(job, item, &item->reference);
	else if (item->tags->error)
		hand_over_pattern(job, item);
	else
		expand(job, item);
}

/* Passes finished items to wanted(), in order; false if it has stopped. */
static bool on_ready(void *ctx)
{
	struct job *job = ctx;

	for (; job->next < job->n; job->next++) {
		struct item *item = &job->items[job->next];

		if (item->tags && !item->tags->done)
			break;
		hand_over_item(job, item);
	}
	return !job->stopped;
}

/* An exclusion may be mistyped, or its images may be gone, or excluded by another line. */
static void report_idle_exclusions(struct job *job)
{
	for (size_t i = 0; i < job->n && !job->only_news && !job->stopped; i++) {
		const struct item *item = &job->items[i];

		if (item->wish && item->wish->excludes && !item->wish->has_excluded)
			context_notice(&job->session->context, DUCC_INFO,
				       "%s: line %u excludes no further image", item->list->name,
				       item->wish->line);
	}
}

static void end(struct job *job)
{
	for (size_t i = 0; i < job->n; i++) {
		reference_free(&job->items[i].reference);
		free(job->items[i].news);
	}
	free(job->items);
	strmap_free(&job->excluded);
	strmap_free_values(&job->patterns, group_free);
	strmap_free_values(&job->news, group_free);
	strset_free(&job->printed);
	strmap_free_values(&job->thins, free);
	strset_free(&job->thin_names);
	survey_free(&job->survey);
}

int ducc_wish(ducc_session *session, const char *const *lists, size_t n, const char *news,
	      bool (*wanted)(void *ctx, ducc_record *record, ducc_error *error), void *ctx)
{
	struct job job = {.session = session, .wanted = wanted, .ctx = ctx, .only_news = news};
	AUTO_FREE struct wish_list *wishes = xcalloc(n, sizeof(*wishes));
	struct wish_list records = {.name = NULL};

	if (news && read_list(&job, &records, news, add_news) < 0)
		job.incomplete = true;
	job.n_news = job.n;
	for (size_t i = 0; i < n; i++)
		if (read_wishes(&job, &wishes[i], lists[i]) < 0)
			job.incomplete = true;
	if (on_ready(&job))
		survey_run(&job.survey, session->network,
			   session->jobs ? session->jobs : DEFAULT_JOBS, on_ready, &job);
	report_idle_exclusions(&job);
	end(&job);
	for (size_t i = 0; i < n; i++)
		wish_list_free(&wishes[i]);
	wish_list_free(&records);
	return job.stopped ? 1 : job.incomplete ? -1 : 0;
}

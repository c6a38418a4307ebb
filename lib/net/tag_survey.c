/* Listing the tags of many repositories: see tag_survey.h. */
#include "net/tag_survey.h"

#include <pthread.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "net/http.h"
#include "net/registry.h"

#define PATIENCE 60 /* seconds that a registry's failed requests may take in total */

struct tagset *survey_add(struct survey *survey, const struct reference *reference)
{
	AUTO_FREE char *key =
		format("%s://%s/%s", reference->scheme, reference->registry, reference->repository);
	struct tagset *list = strmap_get(&survey->known, key);

	if (list)
		return list;
	list = xcalloc(1, sizeof(*list));
	list->repository.scheme = xstrdup(reference->scheme);
	list->repository.registry = xstrdup(reference->registry);
	list->repository.repository = xstrdup(reference->repository);
	list->number = survey->n;
	strmap_put(&survey->known, key, list);
	GROW(survey->lists, survey->n, survey->capacity);
	survey->lists[survey->n++] = list;
	return list;
}

/* The lists of one registry. */
struct group {
	struct tagset **lists;
	size_t n;
};

struct round {
	struct network *network;
	struct group *groups;
	size_t n;
	pthread_mutex_t mutex;
	bool (*ready)(void *ctx);
	void *ctx;
	bool stopped; /* by ready() */
};

static int fetch_list(struct network *network, struct tagset *list, struct http *http,
		      ducc_error **err)
{
	static const struct login login = {.push = false};
	AUTO_FREE char *name = reference_format(&list->repository);
	struct subject subject = {.name = name};
	struct registry *registry;
	int result;

	subject_limit(&subject, http_deadline(http), HTTP_DEADLINE);
	context_set_subject(&subject);
	registry = network_registry(network, &list->repository, &login, err);
	result = registry ? registry_list_tags(registry, http, &list->tags, err) : -1;
	context_set_subject(NULL);
	if (result < 0)
		return -1;
	/* Registries list them in any order, though they should in this one. */
	strset_sort(&list->tags);
	return list->tags.n ? 0 : error_set(err, "registry lists no tags");
}

static int fetch_group(void *ctx, size_t i, ducc_error **err)
{
	struct round *round = ctx;
	const struct group *group = &round->groups[i];
	struct http *http = network_take(round->network);
	double wasted = 0; /* seconds */
	bool stopped = false;

	(void)err;
	for (size_t k = 0; k < group->n && !stopped; k++) {
		struct tagset *list = group->lists[k];
		double start = clock_monotonic();

		if (wasted >= PATIENCE)
			error_set(&list->error,
				  "skipped: other requests to this registry took too long to fail");
		else
			fetch_list(round->network, list, http, &list->error);
		if (list->error)
			wasted += clock_monotonic() - start;
		pthread_mutex_lock(&round->mutex);
		list->done = true;
		stopped = round->stopped = round->stopped || !round->ready(round->ctx);
		pthread_mutex_unlock(&round->mutex);
	}
	network_give(round->network, http);
	return 0;
}

static int by_registry(const void *one, const void *other)
{
	const struct tagset *a = *(struct tagset *const *)one;
	const struct tagset *b = *(struct tagset *const *)other;
	int order = strcmp(a->repository.registry, b->repository.registry);

	return order ? order : (a->number > b->number) - (a->number < b->number);
}

static int by_first(const void *one, const void *other)
{
	const struct group *a = one, *b = other;

	return (a->lists[0]->number > b->lists[0]->number) -
	       (a->lists[0]->number < b->lists[0]->number);
}

/* Groups the lists by registry; both lists and groups are in order of survey_add(). */
static void make_groups(struct survey *survey, struct round *round)
{
	round->groups = xcalloc(survey->n, sizeof(*round->groups));
	qsort(survey->lists, survey->n, sizeof(*survey->lists), by_registry);
	for (size_t i = 0; i < survey->n; i++) {
		const struct reference *here = &survey->lists[i]->repository;

		if (!i || strcmp(survey->lists[i - 1]->repository.registry, here->registry) != 0)
			round->groups[round->n++].lists = &survey->lists[i];
		round->groups[round->n - 1].n++;
	}
	qsort(round->groups, round->n, sizeof(*round->groups), by_first);
}

void survey_run(struct survey *survey, struct network *network, unsigned jobs,
		bool (*ready)(void *ctx), void *ctx)
{
	struct round round = {
		.network = network, .mutex = PTHREAD_MUTEX_INITIALIZER, .ready = ready, .ctx = ctx};

	if (!survey->n)
		return;
	make_groups(survey, &round);
	parallel_run(round.n, jobs, fetch_group, &round, NULL);
	pthread_mutex_destroy(&round.mutex);
	free(round.groups);
}

void survey_free(struct survey *survey)
{
	strmap_free(&survey->known);
	for (size_t i = 0; i < survey->n; i++) {
		struct tagset *list = survey->lists[i];

		strset_free(&list->tags);
		ducc_error_free(list->error);
		reference_free(&list->repository);
		free(list);
	}
	free(survey->lists);
	*survey = (struct survey){0};
}

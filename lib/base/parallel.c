/* Processing items in parallel: see parallel.h. */
#include "base/parallel.h"

#include <pthread.h>
#include <sched.h>

#include "base/context.h"
#include "base/mem.h"

struct crew {
	pthread_mutex_t mutex;
	size_t next, n;
	int (*work)(void *ctx, size_t i, ducc_error **err);
	void *ctx;
	const struct subject *subject;
	ducc_error **errors; /* one for each item */
};

static void *worker(void *data)
{
	struct crew *crew = data;

	context_set_subject(crew->subject);
	for (;;) {
		size_t i;

		pthread_mutex_lock(&crew->mutex);
		i = crew->next++;
		pthread_mutex_unlock(&crew->mutex);
		if (i >= crew->n)
			return NULL;
		if (crew->work(crew->ctx, i, &crew->errors[i]) < 0 && !crew->errors[i])
			error_set(&crew->errors[i], "failed");
	}
}

unsigned parallel_jobs(unsigned jobs)
{
	cpu_set_t set;

	if (jobs)
		return jobs;
	return sched_getaffinity(0, sizeof(set), &set) < 0 ? 1 : (unsigned)CPU_COUNT(&set);
}

int parallel_run(size_t n, unsigned jobs, int (*work)(void *ctx, size_t i, ducc_error **err),
		 void *ctx, ducc_error **err)
{
	struct crew crew = {.mutex = PTHREAD_MUTEX_INITIALIZER,
			    .n = n,
			    .work = work,
			    .ctx = ctx,
			    .subject = context_subject()};
	AUTO_FREE ducc_error **errors = xcalloc(n, sizeof(*errors));
	AUTO_FREE pthread_t *threads = NULL;
	size_t started = 0;
	ducc_error *first = NULL;

	crew.errors = errors;
	jobs = parallel_jobs(jobs);
	if (jobs > n)
		jobs = (unsigned)n;
	threads = xcalloc(jobs, sizeof(*threads));
	/* The calling thread works too; fewer threads than requested are acceptable. */
	while (started + 1 < jobs && !pthread_create(&threads[started], NULL, worker, &crew))
		started++;
	worker(&crew);
	while (started)
		pthread_join(threads[--started], NULL);
	for (size_t i = 0; i < n; i++) {
		if (!first)
			first = errors[i];
		else
			ducc_error_free(errors[i]);
	}
	if (!first)
		return 0;
	if (err && !*err)
		*err = first;
	else
		ducc_error_free(first);
	return -1;
}

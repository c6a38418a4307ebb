/* The main loop of a tool: see each.h. */
#include "each.h"

#include <pthread.h>
#include <stdlib.h>

#include "input.h"
#include "output.h"
#include "progress.h"

/* A record that is being worked on, or that waits to be printed after those before it. */
struct job {
	ducc_record *record; /* NULL: it is not to be printed */
	size_t number;
	struct job *next;
};

struct loop {
	struct tool *tool;
	const struct each *each;
	ducc_session *session;
	size_t begun, ended; /* how many; ended only counts if they are printed in order */
	struct job *waiting; /* to be printed, by number */

	pthread_mutex_t printing; /* of ended and waiting */

	/* Threads that work on images, if several are worked on at once. */
	pthread_mutex_t mutex;
	pthread_cond_t offered, taken; /* a record; offered also: the end */
	pthread_t *threads;
	unsigned n, busy;
	struct job *next; /* for the first thread that is free, or NULL */
	bool end;
};

static struct job *new_job(struct loop *loop, ducc_record *record)
{
	struct job *job = tool_allocated(calloc(1, sizeof(*job)));

	job->record = record;
	job->number = loop->begun++;
	return job;
}

/* Prints the record of a job, if there is one, and frees the job. */
static void end(struct loop *loop, struct job *job)
{
	if (job->record)
		tool_done(loop->tool, job->record);
	ducc_record_free(job->record);
	free(job);
}

/* Ends the job, and those after it that only waited for it, when all before it are. */
static void end_in_order(struct loop *loop, struct job *job)
{
	struct job **place = &loop->waiting;

	pthread_mutex_lock(&loop->printing);
	while (*place && (*place)->number < job->number)
		place = &(*place)->next;
	job->next = *place;
	*place = job;
	while (loop->waiting && loop->waiting->number == loop->ended) {
		job = loop->waiting;
		loop->waiting = job->next;
		loop->ended++;
		end(loop, job);
	}
	pthread_mutex_unlock(&loop->printing);
}

/* Works on the image of the job, and ends it. */
static void work_on(struct loop *loop, struct job *job)
{
	ducc_error *err = NULL;
	int result = loop->each->work(loop->session, job->record, &err);

	if (result < 0)
		tool_fail_record(loop->tool, job->record, err);
	if (result) {
		ducc_record_free(job->record);
		job->record = NULL;
	}
	if (loop->each->in_order)
		end_in_order(loop, job);
	else
		end(loop, job);
}

static void *work_thread(void *data)
{
	struct loop *loop = data;

	pthread_mutex_lock(&loop->mutex);
	for (;;) {
		struct job *job = loop->next;

		if (job) {
			loop->next = NULL;
			loop->busy++;
			pthread_cond_signal(&loop->taken);
			pthread_mutex_unlock(&loop->mutex);
			work_on(loop, job);
			pthread_mutex_lock(&loop->mutex);
			loop->busy--;
		} else if (loop->end) {
			break;
		} else {
			pthread_cond_wait(&loop->offered, &loop->mutex);
		}
	}
	pthread_mutex_unlock(&loop->mutex);
	return NULL;
}

/* Hands the job to a thread; starts one if all are busy, or works on it here if it cannot. */
static void hand_over(struct loop *loop, struct job *job)
{
	pthread_mutex_lock(&loop->mutex);
	while (loop->next)
		pthread_cond_wait(&loop->taken, &loop->mutex);
	if (loop->busy == loop->n && loop->n < loop->each->at_once &&
	    !pthread_create(&loop->threads[loop->n], NULL, work_thread, loop))
		loop->n++;
	if (loop->n) {
		loop->next = job;
		job = NULL;
		pthread_cond_signal(&loop->offered);
	}
	pthread_mutex_unlock(&loop->mutex);
	if (job)
		work_on(loop, job);
}

static void join_threads(struct loop *loop)
{
	pthread_mutex_lock(&loop->mutex);
	loop->end = true;
	pthread_cond_broadcast(&loop->offered);
	pthread_mutex_unlock(&loop->mutex);
	for (unsigned i = 0; i < loop->n; i++)
		pthread_join(loop->threads[i], NULL);
}

/* Prepares for the work: before any thread is started, as that may be for the calling one only. */
static bool prepare(struct loop *loop, const ducc_record *record)
{
	ducc_error *err = NULL;

	if (!loop->each->prepare || !loop->each->prepare(loop->session, &err))
		return true;
	tool_fail_record(loop->tool, record, err);
	return false;
}

static void work_on_all(struct loop *loop, struct input *input)
{
	ducc_record *record;

	while ((record = input_next(input, true))) {
		if (!prepare(loop, record)) {
			ducc_record_free(record);
			continue;
		}
		progress_start();
		if (loop->each->at_once > 1 && !ducc_record_is_local(record))
			hand_over(loop, new_job(loop, record));
		else
			work_on(loop, new_job(loop, record));
	}
}

int tool_each(struct tool *tool, const struct each *each, char **operands, int n)
{
	struct loop loop = {
		.tool = tool,
		.each = each,
		.session = tool_session(tool),
		.mutex = PTHREAD_MUTEX_INITIALIZER,
		.printing = PTHREAD_MUTEX_INITIALIZER,
		.offered = PTHREAD_COND_INITIALIZER,
		.taken = PTHREAD_COND_INITIALIZER,
		.threads = tool_allocated(calloc(each->at_once + 1, sizeof(*loop.threads))),
	};
	struct input *input = input_new(tool, operands, n, true);

	work_on_all(&loop, input);
	join_threads(&loop);
	free(loop.threads);
	input_free(input);
	ducc_close(loop.session);
	return tool_status(tool);
}

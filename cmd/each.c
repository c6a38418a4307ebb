/* The main loop of a tool: see tool_each() in tool.h. */
#include <pthread.h>
#include <stdlib.h>

#include "progress.h"
#include "tool.h"

struct loop {
	struct tool *tool;
	ducc_session *session;
	tool_work *work;

	/* Threads that work on images, if several are worked on at once. */
	pthread_mutex_t mutex;
	pthread_cond_t offered, taken; /* a record; offered also: the end */
	pthread_t *threads;
	unsigned n, busy;
	ducc_record *next; /* for the first thread that is free, or NULL */
	bool end;
};

/* Works on the image of the record, and frees the record. */
static void work_on(struct loop *loop, ducc_record *record)
{
	ducc_error *err = NULL;
	int result = loop->work(loop->session, record, &err);

	if (result < 0)
		tool_fail_record(loop->tool, record, err);
	else if (!result)
		tool_done(loop->tool, record);
	ducc_record_free(record);
}

static void *work_thread(void *data)
{
	struct loop *loop = data;

	pthread_mutex_lock(&loop->mutex);
	for (;;) {
		ducc_record *record = loop->next;

		if (record) {
			loop->next = NULL;
			loop->busy++;
			pthread_cond_signal(&loop->taken);
			pthread_mutex_unlock(&loop->mutex);
			work_on(loop, record);
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

/* Hands the record to a thread; starts one if all are busy, or works on it here if it cannot. */
static void hand_over(struct loop *loop, ducc_record *record)
{
	pthread_mutex_lock(&loop->mutex);
	while (loop->next)
		pthread_cond_wait(&loop->taken, &loop->mutex);
	if (loop->busy == loop->n && loop->n < loop->tool->at_once &&
	    !pthread_create(&loop->threads[loop->n], NULL, work_thread, loop))
		loop->n++;
	if (loop->n) {
		loop->next = record;
		record = NULL;
		pthread_cond_signal(&loop->offered);
	}
	pthread_mutex_unlock(&loop->mutex);
	if (record)
		work_on(loop, record);
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

	if (!loop->tool->prepare || !loop->tool->prepare(loop->session, &err))
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
		if (loop->tool->at_once > 1 && !ducc_record_is_local(record))
			hand_over(loop, record);
		else
			work_on(loop, record);
	}
}

int tool_each(struct tool *tool, char **operands, int n, tool_work *work)
{
	struct loop loop = {
		.tool = tool,
		.session = tool_session(tool),
		.work = work,
		.mutex = PTHREAD_MUTEX_INITIALIZER,
		.offered = PTHREAD_COND_INITIALIZER,
		.taken = PTHREAD_COND_INITIALIZER,
		.threads = tool_allocated(calloc(tool->at_once + 1, sizeof(*loop.threads))),
	};
	struct input *input = tool_input(tool, operands, n);

	work_on_all(&loop, input);
	join_threads(&loop);
	free(loop.threads);
	input_free(input);
	ducc_close(loop.session);
	return tool_status(tool);
}

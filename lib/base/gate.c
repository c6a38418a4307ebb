/* A gate for threads: see gate.h. */
#include "base/gate.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"

/* A thread that waits; woken alone, as others would only go back to sleep. */
struct waiter {
	pthread_cond_t admitted;
	bool inside;
	unsigned limit;
	struct waiter *next;
};

struct queue {
	struct waiter *first, **last;
	unsigned inside;
};

void gate_init(struct gate *gate)
{
	*gate = (struct gate){.queues = {.values = NULL}};
	pthread_mutex_init(&gate->mutex, NULL);
}

void gate_destroy(struct gate *gate)
{
	strmap_free_values(&gate->queues, free);
	pthread_mutex_destroy(&gate->mutex);
}

static struct queue *queue_of(struct gate *gate, const char *key)
{
	struct queue *queue = strmap_get(&gate->queues, key);

	if (queue)
		return queue;
	queue = xcalloc(1, sizeof(*queue));
	queue->last = &queue->first;
	strmap_put(&gate->queues, key, queue);
	return queue;
}

/* Lets in those at the head of the queue for whom there is room. */
static void admit(struct queue *queue)
{
	while (queue->first && queue->inside < queue->first->limit) {
		struct waiter *waiter = queue->first;

		queue->first = waiter->next;
		if (!queue->first)
			queue->last = &queue->first;
		queue->inside++;
		waiter->inside = true;
		pthread_cond_signal(&waiter->admitted);
	}
}

void gate_enter(struct gate *gate, const char *key, unsigned limit)
{
	struct waiter waiter = {.admitted = PTHREAD_COND_INITIALIZER, .limit = limit};
	struct queue *queue;

	pthread_mutex_lock(&gate->mutex);
	queue = queue_of(gate, key);
	*queue->last = &waiter;
	queue->last = &waiter.next;
	admit(queue);
	while (!waiter.inside)
		pthread_cond_wait(&waiter.admitted, &gate->mutex);
	pthread_mutex_unlock(&gate->mutex);
}

void gate_leave(struct gate *gate, const char *key)
{
	struct queue *queue;

	pthread_mutex_lock(&gate->mutex);
	queue = queue_of(gate, key);
	queue->inside--;
	admit(queue);
	pthread_mutex_unlock(&gate->mutex);
}

/* A gate for threads: see gate.h. */
#include "base/gate.h"

#include <stdlib.h>

#include "base/mem.h"

/* Each thread takes a number, and enters when it is the next one and there is room. */
struct queue {
	size_t taken, next;
	unsigned inside;
};

void gate_init(struct gate *gate)
{
	*gate = (struct gate){.queues = {.values = NULL}};
	pthread_mutex_init(&gate->mutex, NULL);
	pthread_cond_init(&gate->changed, NULL);
}

void gate_destroy(struct gate *gate)
{
	strmap_free_values(&gate->queues, free);
	pthread_cond_destroy(&gate->changed);
	pthread_mutex_destroy(&gate->mutex);
}

static struct queue *queue_of(struct gate *gate, const char *key)
{
	struct queue *queue = strmap_get(&gate->queues, key);

	if (queue)
		return queue;
	queue = xcalloc(1, sizeof(*queue));
	strmap_put(&gate->queues, key, queue);
	return queue;
}

void gate_enter(struct gate *gate, const char *key, unsigned limit)
{
	struct queue *queue;
	size_t number;

	pthread_mutex_lock(&gate->mutex);
	queue = queue_of(gate, key);
	number = queue->taken++;
	while (number != queue->next || queue->inside >= limit)
		pthread_cond_wait(&gate->changed, &gate->mutex);
	queue->next++;
	queue->inside++;
	pthread_cond_broadcast(&gate->changed);
	pthread_mutex_unlock(&gate->mutex);
}

void gate_leave(struct gate *gate, const char *key)
{
	pthread_mutex_lock(&gate->mutex);
	queue_of(gate, key)->inside--;
	pthread_cond_broadcast(&gate->changed);
	pthread_mutex_unlock(&gate->mutex);
}

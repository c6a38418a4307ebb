/* A gate for threads: see gate.h. */
#include "base/gate.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"

struct party {
	unsigned inside;
};

/* A thread that waits; woken alone, as others would only go back to sleep. */
struct waiter {
	pthread_cond_t admitted;
	bool inside;
	unsigned limit;
	struct party *party;
	struct waiter *next;
};

struct queue {
	struct waiter *first;
	unsigned inside;
	struct strmap parties; /* struct party */
};

void gate_init(struct gate *gate)
{
	*gate = (struct gate){.queues = {.values = NULL}};
	pthread_mutex_init(&gate->mutex, NULL);
}

static void free_queue(void *value)
{
	struct queue *queue = value;

	strmap_free_values(&queue->parties, free);
	free(queue);
}

void gate_destroy(struct gate *gate)
{
	strmap_free_values(&gate->queues, free_queue);
	pthread_mutex_destroy(&gate->mutex);
}

/* The value of the key, of `size` bytes, which are zero at first. */
static void *value_of(struct strmap *map, const char *key, size_t size)
{
	void *value = strmap_get(map, key);

	if (!value) {
		value = xcalloc(1, size);
		strmap_put(map, key, value);
	}
	return value;
}

static struct queue *queue_of(struct gate *gate, const struct pass *pass)
{
	return value_of(&gate->queues, pass->key, sizeof(struct queue));
}

static struct party *party_of(struct queue *queue, const struct pass *pass)
{
	return value_of(&queue->parties, pass->party, sizeof(struct party));
}

/* The place in the queue of who is next. */
static struct waiter **find_next(struct queue *queue)
{
	struct waiter **found = &queue->first;

	for (struct waiter **place = found; *place; place = &(*place)->next)
		if ((*place)->party->inside < (*found)->party->inside)
			found = place;
	return found;
}

/* Lets in those who are next and for whom there is room. */
static void admit(struct queue *queue)
{
	struct waiter **place = find_next(queue);

	while (*place && queue->inside < (*place)->limit) {
		struct waiter *waiter = *place;

		*place = waiter->next;
		queue->inside++;
		waiter->party->inside++;
		waiter->inside = true;
		pthread_cond_signal(&waiter->admitted);
		place = find_next(queue);
	}
}

/* Waits as the last of all, or as the first. */
static void enter(struct gate *gate, struct queue *queue, const struct pass *pass, bool first)
{
	struct waiter waiter = {.admitted = PTHREAD_COND_INITIALIZER,
				.limit = pass->limit,
				.party = party_of(queue, pass)};
	struct waiter **place = &queue->first;

	while (*place && !first)
		place = &(*place)->next;
	waiter.next = *place;
	*place = &waiter;
	admit(queue);
	gate->waiting++;
	while (!waiter.inside)
		pthread_cond_wait(&waiter.admitted, &gate->mutex);
	gate->waiting--;
}

static void leave(struct queue *queue, const struct pass *pass)
{
	queue->inside--;
	party_of(queue, pass)->inside--;
	admit(queue);
}

void gate_enter(struct gate *gate, const struct pass *pass)
{
	pthread_mutex_lock(&gate->mutex);
	enter(gate, queue_of(gate, pass), pass, false);
	pthread_mutex_unlock(&gate->mutex);
}

void gate_yield(struct gate *gate, const struct pass *pass)
{
	struct queue *queue;
	const struct waiter *next;

	if (!gate->waiting) /* as mostly */
		return;
	pthread_mutex_lock(&gate->mutex);
	queue = queue_of(gate, pass);
	next = *find_next(queue);
	if (next && !next->party->inside && party_of(queue, pass)->inside > 1) {
		leave(queue, pass);
		enter(gate, queue, pass, true);
	}
	pthread_mutex_unlock(&gate->mutex);
}

void gate_leave(struct gate *gate, const struct pass *pass)
{
	pthread_mutex_lock(&gate->mutex);
	leave(queue_of(gate, pass), pass);
	pthread_mutex_unlock(&gate->mutex);
}

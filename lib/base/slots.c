/* Slots: see slots.h. */
#include "base/slots.h"

void slots_init(struct slots *slots, unsigned n)
{
	*slots = (struct slots){.free = n};
	pthread_mutex_init(&slots->mutex, NULL);
}

void slots_destroy(struct slots *slots)
{
	pthread_mutex_destroy(&slots->mutex);
}

void slots_want(struct slots *slots, unsigned n)
{
	pthread_mutex_lock(&slots->mutex);
	slots->wanted += n;
	pthread_mutex_unlock(&slots->mutex);
}

void slots_unwant(struct slots *slots, unsigned n)
{
	pthread_mutex_lock(&slots->mutex);
	slots->wanted -= n;
	pthread_mutex_unlock(&slots->mutex);
}

/* Gives a free slot to the first one that waits. */
static void admit(struct slots *slots)
{
	struct slot_waiter *waiter = slots->first;

	if (!waiter || !slots->free)
		return;
	slots->first = waiter->next;
	slots->free--;
	waiter->has_slot = true;
	pthread_cond_signal(&waiter->admitted);
}

void slots_take(struct slots *slots, uint64_t rank)
{
	struct slot_waiter waiter = {.admitted = PTHREAD_COND_INITIALIZER, .rank = rank};
	struct slot_waiter **place = &slots->first;

	pthread_mutex_lock(&slots->mutex);
	while (*place && (*place)->rank <= rank)
		place = &(*place)->next;
	waiter.next = *place;
	*place = &waiter;
	admit(slots);
	while (!waiter.has_slot)
		pthread_cond_wait(&waiter.admitted, &slots->mutex);
	pthread_mutex_unlock(&slots->mutex);
}

bool slots_try(struct slots *slots)
{
	bool found;

	pthread_mutex_lock(&slots->mutex);
	found = slots->free > slots->wanted;
	slots->free -= found;
	pthread_mutex_unlock(&slots->mutex);
	return found;
}

void slots_give(struct slots *slots)
{
	pthread_mutex_lock(&slots->mutex);
	slots->free++;
	admit(slots);
	pthread_mutex_unlock(&slots->mutex);
}

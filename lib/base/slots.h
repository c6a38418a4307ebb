/*
 * Slots: a number of threads that may work at a time, shared by all that a session does.
 *
 * Who is first in rank, the lowest number, has a free slot first.  A slot that nobody will want can
 * be used to help others with their work.
 */
#ifndef DUCC_SLOTS_H
#define DUCC_SLOTS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* A thread that waits. */
struct slot_waiter {
	pthread_cond_t admitted;
	uint64_t rank;
	bool has_slot;
	struct slot_waiter *next;
};

struct slots {
	pthread_mutex_t mutex;
	unsigned free;
	unsigned wanted;           /* slots that others will take soon */
	struct slot_waiter *first; /* by rank */
};

void slots_init(struct slots *slots, unsigned n);
void slots_destroy(struct slots *slots);

/* Waits for a slot; release it with slots_give(). */
void slots_take(struct slots *slots, uint64_t rank);

/* Announces that `n` slots will be taken soon; slots_unwant() when they are, or will not be. */
void slots_want(struct slots *slots, unsigned n);
void slots_unwant(struct slots *slots, unsigned n);

/* Takes a slot if more are free than are wanted. */
bool slots_try(struct slots *slots);

void slots_give(struct slots *slots);

#endif

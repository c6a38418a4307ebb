/*
 * A gate that lets in a limited number of threads at a time, counted for each key.
 *
 * Those of a key belong to parties: of the threads that wait, the first of the party with the fewest
 * inside is next.  A thread inside can give way to a party of which nobody is.
 */
#ifndef DUCC_GATE_H
#define DUCC_GATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/strmap.h"

struct gate {
	pthread_mutex_t mutex;
	struct strmap queues; /* struct queue, by key */
	atomic_uint waiting;  /* threads, for all keys */
};

void gate_init(struct gate *gate);
void gate_destroy(struct gate *gate);

/*
 * What is entered: as one of a party, when fewer than `limit` threads are inside for the key.  One
 * thread enters, yields and leaves with the same.
 */
struct pass {
	const char *key, *party;
	unsigned limit;
};

/* Waits to be let in. */
void gate_enter(struct gate *gate, const struct pass *pass);

/*
 * If others of the party are inside and a thread waits whose party has none there, leaves, and waits
 * to be let in again, before the others of the party.  A thread must not hold what one inside may
 * wait for.
 */
void gate_yield(struct gate *gate, const struct pass *pass);

void gate_leave(struct gate *gate, const struct pass *pass);

#endif

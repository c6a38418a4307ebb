/*
 * A gate that lets in a limited number of threads at a time, counted for each key, in the order
 * in which they arrive.
 */
#ifndef DUCC_GATE_H
#define DUCC_GATE_H

#include <pthread.h>

#include "base/strmap.h"

struct gate {
	pthread_mutex_t mutex;
	struct strmap queues; /* struct queue, by key */
};

void gate_init(struct gate *gate);
void gate_destroy(struct gate *gate);

/* Waits until fewer than `limit` threads are inside for the key, and enters. */
void gate_enter(struct gate *gate, const char *key, unsigned limit);
void gate_leave(struct gate *gate, const char *key);

#endif

/* A stage of a stream: see stage.h. */
#include "base/stage.h"

#include <pthread.h>

#include "base/context.h"
#include "base/mem.h"

struct piece {
	int result;
	const void *data;
	size_t len;
	ducc_error *error;
};

struct detached {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	stage_get *get;
	void *ctx;
	const struct subject *subject;
	struct piece pieces[STAGE_AHEAD]; /* a ring */
	size_t first, n;
	bool ended; /* the last piece is in the ring, or is not wanted any more */
};

/*
 * A thread that finds the ring full, or empty, waits until it is half empty, or half full: being woken
 * for each piece would cost more than the piece.
 */
#define HALF (STAGE_AHEAD / 2)

/* Waits for room; false: nothing more is wanted. */
static bool wait_for_room(struct detached *detached)
{
	bool full, room;

	pthread_mutex_lock(&detached->mutex);
	full = detached->n == STAGE_AHEAD;
	while (full && detached->n > HALF && !detached->ended)
		pthread_cond_wait(&detached->changed, &detached->mutex);
	room = !detached->ended;
	pthread_mutex_unlock(&detached->mutex);
	return room;
}

static void put(struct detached *detached, const struct piece *piece)
{
	pthread_mutex_lock(&detached->mutex);
	detached->pieces[(detached->first + detached->n++) % STAGE_AHEAD] = *piece;
	detached->ended |= piece->result <= 0;
	if (detached->n == HALF || detached->ended)
		pthread_cond_signal(&detached->changed);
	pthread_mutex_unlock(&detached->mutex);
}

static void *run(void *data)
{
	struct detached *detached = data;

	context_set_subject(detached->subject);
	while (wait_for_room(detached)) {
		struct piece piece = {0};

		piece.result = detached->get(detached->ctx, &piece.data, &piece.len, &piece.error);
		put(detached, &piece);
	}
	return NULL;
}

static struct piece take(struct detached *detached)
{
	struct piece piece;
	bool empty;

	pthread_mutex_lock(&detached->mutex);
	empty = !detached->n;
	while (empty && detached->n < HALF && !detached->ended)
		pthread_cond_wait(&detached->changed, &detached->mutex);
	piece = detached->pieces[detached->first];
	detached->first = (detached->first + 1) % STAGE_AHEAD;
	detached->n--;
	if (detached->n == HALF)
		pthread_cond_signal(&detached->changed);
	pthread_mutex_unlock(&detached->mutex);
	return piece;
}

int stage_next(struct stage *stage, const void **data, size_t *len, ducc_error **err)
{
	struct piece piece = {0};

	if (stage->ended)
		return 0;
	if (stage->detached)
		piece = take(stage->detached);
	else
		piece.result = stage->get(stage->ctx, &piece.data, &piece.len, &piece.error);
	stage->ended = piece.result <= 0;
	*data = piece.data;
	*len = piece.len;
	return piece.result < 0 ? error_give(err, piece.error) : piece.result;
}

bool stage_detach(struct stage *stage)
{
	struct detached *detached = xcalloc(1, sizeof(*detached));

	detached->get = stage->get;
	detached->ctx = stage->ctx;
	detached->subject = context_subject();
	pthread_mutex_init(&detached->mutex, NULL);
	pthread_cond_init(&detached->changed, NULL);
	if (pthread_create(&detached->thread, NULL, run, detached) != 0) {
		free(detached);
		return false;
	}
	stage->detached = detached;
	return true;
}

void stage_end(struct stage *stage)
{
	struct detached *detached = stage->detached;

	if (!detached)
		return;
	pthread_mutex_lock(&detached->mutex);
	detached->ended = true;
	pthread_cond_signal(&detached->changed);
	pthread_mutex_unlock(&detached->mutex);
	pthread_join(detached->thread, NULL);
	for (size_t i = 0; i < detached->n; i++)
		ducc_error_free(detached->pieces[(detached->first + i) % STAGE_AHEAD].error);
	pthread_mutex_destroy(&detached->mutex);
	pthread_cond_destroy(&detached->changed);
	free(detached);
	stage->detached = NULL;
}

/* Stages of a stream: whichever run ahead, and from whenever, the same comes out at the end. */
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/stage.h"
#include "tap.h"

#define PIECES 1000
#define STAGES 3
#define BUFFERS ((size_t)STAGE_AHEAD * STAGES + 1)

/* Numbers from 0 on, in a ring of pieces, the shortest that is allowed. */
struct numbers {
	uint32_t next, end;
	bool fails;
	uint32_t ring[BUFFERS];
};

static int get_number(void *ctx, const void **data, size_t *len, ducc_error **err)
{
	struct numbers *numbers = ctx;
	uint32_t *piece = &numbers->ring[numbers->next % BUFFERS];

	if (numbers->next == numbers->end)
		return numbers->fails ? error_set(err, "after %u", numbers->end) : 0;
	*piece = numbers->next++;
	*data = piece;
	*len = sizeof(*piece);
	return 1;
}

/* Adds up all that passes. */
struct adder {
	struct stage from;
	uint64_t sum;
};

static int add(void *ctx, const void **data, size_t *len, ducc_error **err)
{
	struct adder *adder = ctx;
	int result = stage_next(&adder->from, data, len, err);

	if (result > 0)
		adder->sum += *(const uint32_t *)*data;
	return result;
}

/* detach: for each stage, before which piece it is detached. */
static void try(const uint32_t *detach, uint32_t end, bool fails, uint32_t stop)
{
	struct numbers numbers = {.end = end, .fails = fails};
	struct adder first = {.from = {.get = get_number, .ctx = &numbers}};
	struct adder second = {.from = {.get = add, .ctx = &first}};
	struct stage last = {.get = add, .ctx = &second};
	struct stage *stages[STAGES] = {&first.from, &second.from, &last};
	ducc_error *err = NULL;
	uint32_t n = 0, wrong = 0;
	const void *data;
	size_t len;
	int result = 1;

	while (result > 0 && n < stop) {
		/* The stages before a detached one belong to its thread. */
		for (size_t i = 0; i < STAGES; i++)
			if (n == detach[i] && !stages[i]->detached)
				stage_detach(stages[i]);
		result = stage_next(&last, &data, &len, &err);
		if (result > 0)
			wrong += len != sizeof(n) || *(const uint32_t *)data != n++;
	}
	for (size_t i = STAGES; i; i--)
		stage_end(stages[i - 1]);
	ok(!wrong, "the pieces are right");
	if (n == stop)
		return;
	ok(n == end && result == (fails ? -1 : 0) && !fails == !err, "so is the end");
	ok(!stage_next(&last, &data, &len, NULL), "... and nothing comes after it");
	ok(first.sum == (uint64_t)end * (end - 1) / 2 && second.sum == first.sum,
	   "every stage has had all of them");
	ducc_error_free(err);
}

int main(void)
{
	static const uint32_t never[] = {PIECES, PIECES, PIECES}, all[] = {0, 0, 0},
			      middle[] = {PIECES, 0, PIECES}, last[] = {PIECES, PIECES, 7},
			      in_turn[] = {3, 5, 9};
	static const uint32_t *const cases[] = {never, all, middle, last, in_turn};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		try(cases[i], PIECES - 1, false, PIECES);
		try(cases[i], PIECES - 1, true, PIECES);
		try(cases[i], PIECES - 1, true, 500);
		try(cases[i], 1, false, PIECES);
	}
	return done_testing();
}

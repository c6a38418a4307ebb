/* Slots go to the first in rank, and spare ones to who helps; claims are made at once, or shared. */
#include <sched.h>

#include "base/claims.h"
#include "base/slots.h"
#include "tap.h"

#define THREADS 4

static struct slots slots;

struct taker {
	pthread_t thread;
	uint64_t rank;
};

/* Ranks in the order in which they were admitted; who has the slot writes. */
static uint64_t admitted[THREADS];
static size_t n_admitted;

static void *take(void *ctx)
{
	const struct taker *taker = ctx;

	slots_take(&slots, taker->rank);
	admitted[n_admitted++] = taker->rank;
	slots_give(&slots);
	return NULL;
}

static size_t waiting(void)
{
	size_t n = 0;

	pthread_mutex_lock(&slots.mutex);
	for (const struct slot_waiter *waiter = slots.first; waiter; waiter = waiter->next)
		n++;
	pthread_mutex_unlock(&slots.mutex);
	return n;
}

static void test_ranks(void)
{
	struct taker takers[THREADS] = {{.rank = 7}, {.rank = 1}, {.rank = 9}, {.rank = 3}};

	slots_init(&slots, 1);
	slots_take(&slots, 0);
	for (size_t i = 0; i < THREADS; i++) {
		pthread_create(&takers[i].thread, NULL, take, &takers[i]);
		while (waiting() <= i)
			sched_yield();
	}
	ok(!slots_try(&slots) && !n_admitted, "no slot is free");
	slots_give(&slots);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(takers[i].thread, NULL);
	ok(n_admitted == THREADS && admitted[0] == 1 && admitted[1] == 3 && admitted[2] == 7 &&
		   admitted[3] == 9,
	   "the first in rank has it first");
	ok(slots_try(&slots) && !slots_try(&slots), "afterwards it is free again");
	slots_destroy(&slots);
}

static void test_spare(void)
{
	slots_init(&slots, 3);
	slots_want(&slots, 2);
	ok(slots_try(&slots) && !slots_try(&slots), "slots that are wanted are not to spare");
	slots_take(&slots, 0);
	slots_unwant(&slots, 1);
	ok(!slots_try(&slots), "... until they are taken");
	slots_unwant(&slots, 1);
	ok(slots_try(&slots), "... or not wanted any more");
	slots_destroy(&slots);
}

static struct claims claims;

struct claimer {
	pthread_t thread;
	struct claim claim;
	bool waited, done;
};

static void name(struct claimer *claimer, const char *text, char *tag)
{
	strmap_put(&claimer->claim.names, text, tag);
}

static void *claim(void *ctx)
{
	struct claimer *claimer = ctx;

	claimer->waited = claims_take(&claims, &claimer->claim);
	claimer->done = true;
	claims_drop(&claims, &claimer->claim);
	return NULL;
}

static void test_claims(void)
{
	char alone[] = "", one[] = "one", other[] = "other";
	struct claimer first = {.waited = true}, second = {.waited = true}, third = {.done = false};
	struct claim unmade = {.next = NULL};

	claims_init(&claims);
	name(&first, "a", alone);
	name(&first, "b", one);
	ok(!claims_take(&claims, &first.claim), "nobody is in the way of the first claim");
	name(&second, "b", one);
	name(&second, "c", alone);
	ok(!claims_take(&claims, &second.claim), "a name is shared with the same text");
	name(&third, "c", alone);
	name(&third, "b", other);
	name(&third, "d", alone);
	pthread_create(&third.thread, NULL, claim, &third);
	claims_drop(&claims, &second.claim);
	strmap_put(&unmade.names, "a", alone);
	claims_drop(&claims, &unmade);
	ok(claims.first == &first.claim && !third.done, "another text, or none, must wait");
	claims_drop(&claims, &first.claim);
	pthread_join(third.thread, NULL);
	ok(third.done && !claims.first, "... for the claims that are in its way");
	claims_destroy(&claims);
}

int main(void)
{
	test_ranks();
	test_spare();
	test_claims();
	return done_testing();
}

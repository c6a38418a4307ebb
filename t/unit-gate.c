/* A gate: who is let in next, who gives way to whom, and that there are never too many inside. */
#include <sched.h>

#include "base/gate.h"
#include "base/mem.h"
#include "tap.h"

#define VISITORS 8
#define ROUNDS 2000
#define LIMIT 3

static struct gate gate;
static const struct pass a = {.key = "k", .party = "a", .limit = 2},
			 b = {.key = "k", .party = "b", .limit = 2},
			 c = {.key = "k", .party = "c", .limit = 2};

/* The parties of those who were let in, in that order. */
static char admitted[VISITORS + 1];
static atomic_size_t n_admitted;

static void *visit(void *ctx)
{
	const struct pass *pass = ctx;

	gate_enter(&gate, pass);
	admitted[n_admitted++] = *pass->party;
	gate_leave(&gate, pass);
	return NULL;
}

/* Threads that come one after the other, and have to wait. */
static void come(pthread_t *threads, const struct pass *const *passes, size_t n)
{
	memset(admitted, 0, sizeof(admitted));
	n_admitted = 0;
	for (unsigned i = 0; i < n; i++) {
		pthread_create(&threads[i], NULL, visit, (void *)passes[i]);
		while (gate.waiting <= i)
			sched_yield();
	}
}

static void join(const pthread_t *threads, size_t n)
{
	for (size_t i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

static void test_order(void)
{
	pthread_t threads[4];

	gate_enter(&gate, &a);
	gate_enter(&gate, &a);
	come(threads, (const struct pass *const[]){&a, &a, &c, &b}, 4);
	is_string(admitted, "", "nobody is let in beyond the limit");
	gate_leave(&gate, &a);
	join(threads, 4);
	is_string(admitted, "cbaa",
		  "those of whom nobody is inside are first, then who came first");
	gate_leave(&gate, &a);
}

static void test_yield(void)
{
	pthread_t threads[2];

	gate_enter(&gate, &a);
	gate_enter(&gate, &a);
	gate_yield(&gate, &a);
	come(threads, (const struct pass *const[]){&a, &b}, 2);
	gate_yield(&gate, &a);
	is_string(admitted, "b", "a party with several inside gives way to one with none");
	gate_yield(&gate, &a);
	is_string(admitted, "b", "... but not to itself");
	gate_leave(&gate, &a);
	gate_leave(&gate, &a);
	join(threads, 2);
	is_string(admitted, "ba", "... and is before others of its own");

	gate_enter(&gate, &a);
	gate_enter(&gate, &b);
	come(threads, (const struct pass *const[]){&a, &c}, 2);
	gate_yield(&gate, &a);
	is_string(admitted, "", "who is alone does not give way");
	gate_leave(&gate, &b);
	gate_leave(&gate, &a);
	join(threads, 2);
}

static atomic_uint inside, most;

/* The work of those who come and go, and give way meanwhile; inside counts those who work. */
static void *come_and_go(void *ctx)
{
	const struct pass *pass = ctx;

	for (int i = 0; i < ROUNDS; i++) {
		gate_enter(&gate, pass);
		for (int k = 0; k < 3; k++) {
			unsigned now = ++inside, before = most;

			while (now > before && !atomic_compare_exchange_weak(&most, &before, now))
				;
			sched_yield();
			inside--;
			gate_yield(&gate, pass);
		}
		gate_leave(&gate, pass);
	}
	return NULL;
}

static void test_limit(void)
{
	static const char *const parties[VISITORS] = {"a", "a", "a", "a", "a", "b", "b", "c"};
	struct pass passes[VISITORS];
	pthread_t threads[VISITORS];

	for (size_t i = 0; i < VISITORS; i++) {
		passes[i] = (struct pass){.key = "l", .party = parties[i], .limit = LIMIT};
		pthread_create(&threads[i], NULL, come_and_go, &passes[i]);
	}
	join(threads, VISITORS);
	ok(most <= LIMIT && !gate.waiting,
	   "however they come and go, there are no more than the limit");
}

int main(void)
{
	gate_init(&gate);
	test_order();
	test_yield();
	test_limit();
	gate_destroy(&gate);
	return done_testing();
}

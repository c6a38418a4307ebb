/* Claims: see claims.h. */
#include "base/claims.h"

#include <string.h>

void claims_init(struct claims *claims)
{
	*claims = (struct claims){.first = NULL};
	pthread_mutex_init(&claims->mutex, NULL);
	pthread_cond_init(&claims->dropped, NULL);
}

void claims_destroy(struct claims *claims)
{
	pthread_cond_destroy(&claims->dropped);
	pthread_mutex_destroy(&claims->mutex);
}

static bool conflict(const struct claim *a, const struct claim *b)
{
	for (size_t i = 0; i < a->names.keys.n; i++) {
		const char *mine = a->names.values[i];
		const char *other = strmap_get(&b->names, a->names.keys.list[i]);

		if (other && (!*other || strcmp(mine, other) != 0))
			return true;
	}
	return false;
}

static bool is_in_the_way(const struct claims *claims, const struct claim *claim)
{
	const struct claim *other = claims->first;

	while (other && !conflict(claim, other))
		other = other->next;
	return other != NULL;
}

bool claims_take(struct claims *claims, struct claim *claim)
{
	bool waited = false;

	pthread_mutex_lock(&claims->mutex);
	while (is_in_the_way(claims, claim)) {
		pthread_cond_wait(&claims->dropped, &claims->mutex);
		waited = true;
	}
	claim->next = claims->first;
	claims->first = claim;
	pthread_mutex_unlock(&claims->mutex);
	return waited;
}

void claims_drop(struct claims *claims, struct claim *claim)
{
	struct claim **place = &claims->first;

	pthread_mutex_lock(&claims->mutex);
	while (*place && *place != claim)
		place = &(*place)->next;
	if (*place)
		*place = claim->next;
	pthread_cond_broadcast(&claims->dropped);
	pthread_mutex_unlock(&claims->mutex);
	strmap_free(&claim->names);
}

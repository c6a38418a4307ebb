/* A map from strings to pointers: see strmap.h. */
#include "base/strmap.h"

#include "base/mem.h"

void *strmap_get(const struct strmap *map, const char *key)
{
	size_t i = strset_find(&map->keys, key);

	return i < map->keys.n ? map->values[i] : NULL;
}

void *strmap_put(struct strmap *map, const char *key, void *value)
{
	size_t i = strset_find(&map->keys, key);
	void *before = NULL;

	if (i < map->keys.n) {
		before = map->values[i];
	} else {
		GROW(map->values, map->keys.n, map->capacity);
		strset_add(&map->keys, key);
	}
	map->values[i] = value;
	return before;
}

void strmap_free(struct strmap *map)
{
	strset_free(&map->keys);
	free(map->values);
	*map = (struct strmap){.values = NULL};
}

void strmap_free_values(struct strmap *map, void (*free_value)(void *value))
{
	for (size_t i = 0; i < map->keys.n; i++)
		free_value(map->values[i]);
	strmap_free(map);
}

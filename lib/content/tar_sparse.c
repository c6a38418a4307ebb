/* The map of a sparse file: see tar_sparse.h. */
#include "content/tar_sparse.h"

#include "base/mem.h"
#include "content/tar_number.h"

int sparse_add(struct sparse_map *map, int64_t offset, int64_t len, ducc_error **err)
{
	if (offset < 0 || len < 0 || offset > INT64_MAX - len)
		return error_set(err, "sparse file: malformed map");
	if ((uint64_t)offset < map->end)
		return error_set(err, "sparse file: data out of order");
	GROW(map->list, map->n, map->capacity);
	map->list[map->n++] = (struct extent){(uint64_t)offset, (uint64_t)len};
	map->end = (uint64_t)(offset + len);
	return 0;
}

int sparse_add_fields(struct sparse_map *map, const char *fields, size_t n, ducc_error **err)
{
	size_t half = SPARSE_FIELD_SIZE / 2;
	int64_t offset, len;

	for (; n && *fields; n--, fields += SPARSE_FIELD_SIZE) {
		if (!tar_number_field(fields, half, &offset) ||
		    !tar_number_field(fields + half, half, &len))
			return error_set(err, "sparse file: malformed map");
		if (sparse_add(map, offset, len, err) < 0)
			return -1;
	}
	return 0;
}

/* Takes a number, and the comma or the end after it. */
static bool take_number(const char **text, int64_t *value)
{
	size_t len = strcspn(*text, ",");

	if (!tar_number_decimal(*text, len, value))
		return false;
	*text += len + ((*text)[len] == ',');
	return true;
}

int sparse_add_list(struct sparse_map *map, const char *blocks, const char *list, ducc_error **err)
{
	int64_t n, offset, len;

	if (!blocks || !tar_number_decimal(blocks, strlen(blocks), &n) || n < 0)
		return error_set(err, "sparse file: malformed map");
	if (!list)
		list = "";
	if (*list && list[strlen(list) - 1] == ',')
		return error_set(err, "sparse file: malformed map");
	for (; n; n--) {
		if (!take_number(&list, &offset) || !take_number(&list, &len))
			return error_set(err, "sparse file: malformed map");
		if (sparse_add(map, offset, len, err) < 0)
			return -1;
	}
	return *list ? error_set(err, "sparse file: malformed map") : 0;
}

int sparse_check(const struct sparse_map *map, uint64_t size, ducc_error **err)
{
	if (map->end <= size)
		return 0;
	return error_set(err, "sparse file: data beyond its end");
}

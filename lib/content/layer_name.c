/* The names of a layer's entries: see layer_name.h. */
#include "content/layer_name.h"

#include <limits.h>
#include <string.h>

#include "base/buffer.h"

#define WHITEOUT_META ".wh..wh."
#define WHITEOUT_LINKS ".wh..wh.plnk/"

static bool has_prefix(const char *name, size_t len, const char *prefix)
{
	return len >= strlen(prefix) && !memcmp(name, prefix, strlen(prefix));
}

bool layer_name_is_whiteout(const char *name, size_t len)
{
	return has_prefix(name, len, WHITEOUT_PREFIX);
}

/* The length of the name that is meant. */
static size_t meant_length(const char *name, size_t len)
{
	return layer_name_is_whiteout(name, len) ? len - strlen(WHITEOUT_PREFIX) : len;
}

/* A path that is being made of the components of `name`. */
struct cleaning {
	const char *name;
	struct buffer path;
	uint64_t depth, limit; /* of the path */
};

/* Removes the last component, by its text, as Go does; the parent of the root is the root. */
static void leave(struct cleaning *cleaning)
{
	const char *slash;

	if (!cleaning->path.len)
		return;
	slash = strrchr(cleaning->path.data, '/');
	buffer_truncate(&cleaning->path, slash ? (size_t)(slash - cleaning->path.data) : 0);
	cleaning->depth--;
}

static int add_component(struct cleaning *cleaning, const char *part, size_t len, ducc_error **err)
{
	if (!len || (len == 1 && *part == '.'))
		return 0;
	if (len == 2 && !memcmp(part, "..", 2)) {
		leave(cleaning);
		return 0;
	}
	if (meant_length(part, len) > NAME_MAX)
		return error_set(err, "%.64s...: name of more than %d bytes", cleaning->name,
				 NAME_MAX);
	if (++cleaning->depth > cleaning->limit) {
		limits_exceeded(LIMIT_DEPTH, cleaning->limit, err);
		return error_wrap(err, "%.64s...", cleaning->name);
	}
	if (cleaning->path.len)
		buffer_addc(&cleaning->path, '/');
	buffer_add(&cleaning->path, part, len);
	return 0;
}

char *layer_name_clean(const char *name, const struct ducc_limits *limits, ducc_error **err)
{
	struct cleaning cleaning = {.name = name, .limit = limits_get(limits, LIMIT_DEPTH, 0)};
	uint64_t most = limits_get(limits, LIMIT_PATH, 0);

	if (strlen(name) > most) {
		limits_exceeded(LIMIT_PATH, most, err);
		error_wrap(err, "%.64s...", name);
		return NULL;
	}
	for (const char *p = name; *p;) {
		size_t len = strcspn(p, "/");

		if (add_component(&cleaning, p, len, err) < 0) {
			buffer_free(&cleaning.path);
			return NULL;
		}
		p += len + (p[len] == '/');
	}
	return buffer_steal(&cleaning.path);
}

bool layer_name_is_aufs(const char *path)
{
	for (;;) {
		size_t len = strcspn(path, "/");

		if (has_prefix(path, len, WHITEOUT_META) &&
		    (path[len] || strcmp(path, WHITEOUT_OPAQUE) != 0))
			return true;
		if (!path[len])
			return false;
		path += len + 1;
	}
}

bool layer_name_is_aufs_link(const char *path)
{
	return has_prefix(path, strlen(path), WHITEOUT_LINKS);
}

/* The names of a layer's entries: see layer_name.h. */
#include "content/layer_name.h"

#include <limits.h>
#include <string.h>

#include "base/buffer.h"

#define PATH_LIMIT 65536 /* bytes; far beyond what a system call accepts */
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

char *layer_name_clean(const char *name, const struct ducc_limits *limits, ducc_error **err)
{
	uint64_t depth = 0, limit = limits_get(limits, LIMIT_DEPTH, 0);
	struct buffer path = {0};

	if (strlen(name) > PATH_LIMIT) {
		error_set(err, "%.64s...: name of more than %d bytes", name, PATH_LIMIT);
		return NULL;
	}
	for (const char *p = name; *p;) {
		size_t len = strcspn(p, "/");

		if (len == 2 && p[0] == '.' && p[1] == '.') {
			error_set(err, "%s: name with \"..\"", name);
			buffer_free(&path);
			return NULL;
		}
		if (meant_length(p, len) > NAME_MAX) {
			error_set(err, "%.64s...: name of more than %d bytes", name, NAME_MAX);
			buffer_free(&path);
			return NULL;
		}
		if (len && !(len == 1 && p[0] == '.')) {
			if (++depth > limit) {
				limits_exceeded(LIMIT_DEPTH, limit, err);
				error_wrap(err, "%.64s...", name);
				buffer_free(&path);
				return NULL;
			}
			if (path.len)
				buffer_addc(&path, '/');
			buffer_add(&path, p, len);
		}
		p += len + (p[len] == '/');
	}
	return buffer_steal(&path);
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

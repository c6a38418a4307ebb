/* Limits on the resources of an image: see quota.h. */
#include "content/quota.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "base/mem.h"

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

#define UNPACKED UINT64_MAX /* the ratio is LIMIT_RATIO */

/* The default is `ratio` times the compressed bytes, but at least `least`. */
static const struct {
	const char *option, *before, *after; /* text around the number in the message */
	size_t member;                       /* of struct ducc_limits */
	uint64_t ratio, least;
} limits[] = {
	[LIMIT_LAYER] = {"layer", "unpacks to more than", "bytes",
			 offsetof(struct ducc_limits, layer), UNPACKED, GIB},
	[LIMIT_IMAGE] = {"image", "the image's layers together unpack to more than", "bytes",
			 offsetof(struct ducc_limits, image), UNPACKED, 4 * GIB},
	[LIMIT_RATIO] = {"ratio", "", "", offsetof(struct ducc_limits, ratio), 0, 200},
	[LIMIT_LISTING] = {"listing", "listing of more than", "bytes",
			   offsetof(struct ducc_limits, listing), 100, 16 * MIB},
	[LIMIT_IMAGE_LISTING] = {"listing", "listings of more than", "bytes in the whole image",
				 offsetof(struct ducc_limits, listing), 100, 32 * MIB},
	[LIMIT_ENTRIES] = {"entries", "more than", "entries", offsetof(struct ducc_limits, entries),
			   0, 10000000},
	[LIMIT_IMAGE_ENTRIES] = {"entries", "more than", "entries in the whole image",
				 offsetof(struct ducc_limits, entries), 0, 10000000},
	[LIMIT_DEPTH] = {"depth", "path of more than", "components",
			 offsetof(struct ducc_limits, depth), 0, 1000},
	[LIMIT_PATH] = {"path", "path of more than", "bytes", offsetof(struct ducc_limits, path), 0,
			65536},
	[LIMIT_LAYERS] = {"layers", "image of more than", "layers",
			  offsetof(struct ducc_limits, layers), 0, 1000},
	[LIMIT_BLOBS] = {"blobs", "layers of more than", "compressed bytes",
			 offsetof(struct ducc_limits, blobs), 0, 1024 * GIB},
	[LIMIT_TIME] = {"time", "takes more than", "seconds", offsetof(struct ducc_limits, time), 0,
			86400},
	[LIMIT_JSON] = {"json", "manifest or config of more than", "bytes",
			offsetof(struct ducc_limits, json), 0, 4 * MIB},
	[LIMIT_XATTRS] = {"xattrs", "extended attributes of more than", "bytes",
			  offsetof(struct ducc_limits, xattrs), 0, 131072},
};

uint64_t *ducc_limit(struct ducc_limits *chosen, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(limits); i++)
		if (!strcmp(limits[i].option, name))
			return (uint64_t *)((char *)chosen + limits[i].member);
	return NULL;
}

/* The chosen value; 0: none. */
static uint64_t choice(const struct ducc_limits *chosen, enum limit limit)
{
	return *(const uint64_t *)((const char *)chosen + limits[limit].member);
}

uint64_t limits_get(const struct ducc_limits *chosen, enum limit limit, uint64_t compressed)
{
	uint64_t value = choice(chosen, limit);
	uint64_t ratio = limits[limit].ratio, least = limits[limit].least;

	if (value)
		return value;
	if (ratio == UNPACKED) {
		ratio = choice(chosen, LIMIT_RATIO);
		if (!ratio)
			ratio = limits[LIMIT_RATIO].least;
	}
	if (ratio && compressed > INT64_MAX / ratio)
		return INT64_MAX;
	return compressed * ratio > least ? compressed * ratio : least;
}

int limits_exceeded(enum limit limit, uint64_t value, ducc_error **err)
{
	return error_set_kind(err, DUCC_LIMIT, "%s %" PRIu64 " %s (raise it with -l %s=N)",
			      limits[limit].before, value, limits[limit].after,
			      limits[limit].option);
}

void quota_begin(struct quota *quota, const struct ducc_limits *chosen, enum limit limit,
		 uint64_t compressed)
{
	quota->limit = limit;
	quota->most = limits_get(chosen, limit, compressed);
	atomic_init(&quota->used, 0);
}

int quota_check(const struct quota *quota, uint64_t n, ducc_error **err)
{
	return n > quota->most ? limits_exceeded(quota->limit, quota->most, err) : 0;
}

int quota_take(struct quota *quota, uint64_t n, ducc_error **err)
{
	if (quota_check(quota, n, err) < 0)
		return -1;
	if (atomic_fetch_add(&quota->used, n) > quota->most - n)
		return limits_exceeded(quota->limit, quota->most, err);
	return 0;
}

void quota_return(struct quota *quota, uint64_t n)
{
	atomic_fetch_sub(&quota->used, n);
}

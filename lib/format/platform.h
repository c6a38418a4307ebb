/*
 * What an image runs on: operating system, architecture and variant (OCI image
 * specification 1.1, image index).  Names that others have for an architecture, such as
 * x86_64, aarch64 or armhf, become the specification's.
 */
#ifndef DUCC_PLATFORM_H
#define DUCC_PLATFORM_H

#include "format/json.h"

/*
 * Members may be NULL: not said.  Each is a short word of letters, digits and `._-`, which
 * can stand in a path and a record as it is; text from outside that is not is refused.
 */
struct platform {
	char *os, *architecture, *variant;
};

/* Reads OS/ARCH[/VARIANT]; NULL means this host's. */
int platform_parse(struct platform *platform, const char *text, ducc_error **err);
/*
 * Reads os, architecture and variant, which mean the same in index and config, into a
 * zeroed platform.  It is to be freed even if that fails.
 */
int platform_from_json(struct platform *platform, const cJSON *json, ducc_error **err);
/* The reverse; what is not said is "unknown", but for the variant. */
cJSON *platform_to_json(const struct platform *platform);
void platform_free(struct platform *platform);

/*
 * How well an image for `have` runs where `wanted` is asked for: 0 not at all, the more the
 * better.  As in containerd, an older variant of amd64, arm and arm64 will do (arm/v7 runs
 * arm/v6, arm64/v9.1 arm64/v8.6), a newer one won't; no variant means the one that amd64
 * began with, arm/v7, and arm64/v8.  Of other architectures, a variant that is asked for
 * must match.  Unlike there, another architecture never will do, though a machine may run
 * it: what is published for amd64 is amd64.
 */
unsigned platform_rank(const struct platform *wanted, const struct platform *have);

/*
 * What kernels, distributions and users call a machine, and what that means.  Also `arm` and
 * `arm64` are such names: of the directories of their usual variants (public_names.h).
 */
#define MACHINE_NAMES 11
extern const struct machine_name {
	const char *name, *architecture, *variant; /* variant may be NULL */
} machine_names[MACHINE_NAMES];

/* The variant that people mean who give only the architecture, or NULL if it needs none. */
const char *platform_usual_variant(const char *architecture);

/* OS/ARCH[/VARIANT]; the caller frees it. */
char *platform_format(const struct platform *platform);

/* Text as platform_format() would write it; the caller frees it. */
int platform_normalize(const char *text, char **normalized, ducc_error **err);

/* The platform of a descriptor in an index as text, or NULL if it has none. */
char *platform_of_descriptor(const cJSON *descriptor);

#endif

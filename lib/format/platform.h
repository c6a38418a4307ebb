/*
 * Platforms: operating system, architecture and variant (OCI image specification 1.1,
 * image index).  Other names of an architecture, such as x86_64, aarch64 or armhf, are
 * normalised to the specification's.
 */
#ifndef DUCC_PLATFORM_H
#define DUCC_PLATFORM_H

#include "format/json.h"

/*
 * Members may be NULL: unspecified.  Each is a short word of letters, digits and `._-`, safe
 * in a path and a record; other text from outside is refused.
 */
struct platform {
	char *os, *architecture, *variant;
};

/* Parses OS/ARCH[/VARIANT]; NULL means this host's platform. */
int platform_parse(struct platform *platform, const char *text, ducc_error **err);
/*
 * Reads os, architecture and variant, the same members in index and config, into a
 * zeroed platform.  The caller frees it even on failure.
 */
int platform_from_json(struct platform *platform, const cJSON *json, ducc_error **err);
/* Adds what the platform lacks from another one: os, architecture with its variant. */
void platform_complete(struct platform *platform, const struct platform *from);
/* True if both are the same, in whatever form: an unknown part counts as such, arm64 as arm64/v8. */
bool platform_same(const struct platform *a, const struct platform *b);
/*
 * Replaces the platform in the config of an image by the one for which it was chosen, `by`; the
 * former completes that.  If both are the same, the form of the config remains.  False if they
 * contradict each other.
 */
bool platform_overrule(struct platform *platform, const struct platform *by);
/* The reverse of reading; a missing os or architecture becomes "unknown". */
cJSON *platform_to_json(const struct platform *platform);
void platform_free(struct platform *platform);

/*
 * How well an image for `have` matches the platform `wanted`: 0 not at all, higher is better.
 * As in containerd, an older variant of amd64, arm and arm64 is accepted (arm/v7 runs arm/v6,
 * arm64/v9.1 runs arm64/v8.6), a newer one is not; without a variant, amd64's baseline (v1),
 * arm/v7 and arm64/v8 are assumed.  For other architectures, a requested variant must match.
 * Unlike containerd, another architecture is never accepted, even if the machine can run it:
 * an image published for amd64 is amd64.
 */
unsigned platform_rank(const struct platform *wanted, const struct platform *have);

/*
 * Machine names used by kernels, distributions and users, and the platforms they stand for.
 * `arm` and `arm64` are included: they name the directories of their usual variants
 * (public_names.h).
 */
#define MACHINE_NAMES 11
extern const struct machine_name {
	const char *name, *architecture, *variant; /* variant may be NULL */
} machine_names[MACHINE_NAMES];

/* The variant implied by the architecture alone, or NULL if it needs none. */
const char *platform_usual_variant(const char *architecture);

/* OS/ARCH[/VARIANT]; the caller frees it. */
char *platform_format(const struct platform *platform);

/* Normalises text to the output of platform_format(); the caller frees it. */
int platform_normalize(const char *text, char **normalized, ducc_error **err);

/* The platform of a descriptor in an index as text, or NULL if it has none. */
char *platform_of_descriptor(const cJSON *descriptor);

#endif

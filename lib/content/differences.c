/* Differences of a layer between images: see differences.h. */
#include "content/differences.h"

#include "base/buffer.h"
#include "base/mem.h"

static const char *const texts[N_DIFFERENCES] = {
	[DIFFERENT_METADATA] = "another owner, mode or time",
	[DIFFERENT_PLACE] = "symbolic links lead elsewhere",
	[DIFFERENT_FILE] = "hard link to another file",
};

void differences_add(struct differences *differences, enum difference kind, const char *path)
{
	if (differences && !differences->of[kind].n++)
		differences->of[kind].first = xstrdup(*path ? path : "/");
}

void differences_report(const struct differences *differences, struct context *context,
			const char *layer, bool published)
{
	for (size_t i = 0; i < N_DIFFERENCES; i++) {
		size_t n = differences->of[i].n;
		AUTO_FREE char *others = n > 1 ? format(" and %zu more", n - 1) : xstrdup("");

		if (n)
			context_notice(
				context, DUCC_WARNING,
				"%s: %s%s: %s than in the image for which the layer was %s; "
				"the layer stays as it is, the flat root file system is correct",
				layer, differences->of[i].first, others, texts[i],
				published ? "published" : "unpacked");
	}
}

void differences_free(struct differences *differences)
{
	for (size_t i = 0; i < N_DIFFERENCES; i++)
		free(differences->of[i].first);
	*differences = (struct differences){0};
}

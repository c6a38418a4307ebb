/* Publishing again what is published: see publish.h. */
#include "base/buffer.h"
#include "base/mem.h"
#include "jobs/publish.h"
#include "jobs/repair.h"

/* A tree in a repository, as a key; the caller frees it. */
static char *repaired_key(const struct publish *publish, const struct digest *tree)
{
	return format("%s %s", tree->hex, publish->repository.name);
}

/* What only a new image finds damaged, somebody else may have repaired since. */
static bool is_listed_again(const struct publish *publish, const struct publish_image *image,
			    const struct digest *tree)
{
	return publish->session->again ||
	       (repair_has(image->record, tree) &&
		(image->again || repair_is_needed(&publish->repository, tree)));
}

bool publish_wants_again(const struct publish *publish, const struct publish_image *image,
			 const struct digest *tree)
{
	AUTO_FREE char *key = repaired_key(publish, tree);

	return is_listed_again(publish, image, tree) &&
	       !strset_has(&publish->session->repaired, key);
}

static void note_tree(struct publish *publish, const struct publish_image *image,
		      const struct digest *tree)
{
	AUTO_FREE char *key = repaired_key(publish, tree);

	if (is_listed_again(publish, image, tree))
		strset_add(&publish->session->repaired, key);
}

void publish_note_again(struct publish *publish)
{
	for (size_t i = 0; i < publish->n; i++) {
		const struct publish_image *image = &publish->images[i];
		const struct manifest *manifest = &image->stored.manifest;

		if (publish->errors[i])
			continue;
		for (size_t k = 0; k < manifest->n; k++)
			note_tree(publish, image, &manifest->layers[k].digest);
		note_tree(publish, image, &manifest->config.digest);
	}
}

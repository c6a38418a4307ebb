/* The location of the content of files: see file_content.h. */
#include "repo/file_content.h"

#include <stdlib.h>

#include "format/repo_paths.h"

struct content content_of(const struct file *file, const struct digest *own)
{
	if (!S_ISREG(file->mode))
		return (struct content){.kind = CONTENT_NONE};
	if (!file->layer)
		return (struct content){.kind = CONTENT_DATA, .data = file->text};
	if (own && digest_equal(file->layer, own))
		return (struct content){.kind = CONTENT_LAYER};
	return (struct content){.kind = CONTENT_PUBLISHED,
				.path = layer_path(file->layer, file->origin)};
}

void content_free(struct content *content)
{
	free(content->path);
	*content = (struct content){.kind = CONTENT_NONE};
}

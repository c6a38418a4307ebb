/* Differing directories: see differences.h. */
#include "content/differences.h"

#include "base/mem.h"

void differences_add(struct differences *differences, const char *path)
{
	if (!differences->n++)
		differences->first = xstrdup(*path ? path : "/");
}

void differences_free(struct differences *differences)
{
	free(differences->first);
	*differences = (struct differences){0};
}

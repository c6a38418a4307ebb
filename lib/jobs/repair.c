/* The field repair=: see repair.h. */
#include "jobs/repair.h"

#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "content/listing.h"

static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (; list; list = strchr(list, ',')) {
		list += *list == ',';
		if (!strncmp(list, word, len) && (!list[len] || list[len] == ','))
			return true;
	}
	return false;
}

bool repair_has(const ducc_record *record, const struct digest *tree)
{
	const char *list = ducc_record_get(record, REPAIR_FIELD);

	return has_word(list, tree->hex) || has_word(list, REPAIR_ALL);
}

bool repair_has_names(const ducc_record *record)
{
	const char *list = ducc_record_get(record, REPAIR_FIELD);

	return list && !has_word(list, REPAIR_LAYERS);
}

int repair_add(ducc_record *record, const char *layer, ducc_error **err)
{
	const char *before = ducc_record_get(record, REPAIR_FIELD);
	AUTO_FREE char *list = format("%s,%s", before ? before : REPAIR_LAYERS, layer);

	return ducc_record_set(record, REPAIR_FIELD, list, err);
}

bool repair_is_needed(const struct repository *repository, const struct digest *layer)
{
	AUTO_CLOSE int fd = repository_open_listing(repository, layer);

	/* A failure to read it proves nothing. */
	return !repository->metadata_only && fd >= 0 && !listing_is_intact(fd) && !errno &&
	       !listing_is_old(fd) && !errno;
}

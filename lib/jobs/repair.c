/* The field repair=: see repair.h. */
#include "jobs/repair.h"

#include <string.h>

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

/*
 * A list of images in memory: what index.json has, with its entries by name, and the text to write.
 *
 * Entries are added to many lists that are long, so the text is not printed again for each one.
 */
#ifndef DUCC_INDEX_LIST_H
#define DUCC_INDEX_LIST_H

#include "base/buffer.h"
#include "base/strmap.h"
#include "format/json.h"

struct index_list {
	cJSON *json, *manifests; /* NULL: no list */
	struct strmap names;     /* of its entries; for index_list.c */
	struct buffer text;      /* what json_print() makes of it; or empty, before it has to */
};

/* Takes over the JSON, of which `manifests` is a part. */
void index_list_take(struct index_list *list, cJSON *json, cJSON *manifests);
void index_list_free(struct index_list *list);

#define AUTO_INDEX_LIST CLEANUP(index_list_free) struct index_list

/* True if this very entry is listed under the name. */
bool index_list_has(const struct index_list *list, const cJSON *entry, const char *name);

/* Adds the entry, which it takes over, in the place of those of the same name and platform. */
void index_list_put(struct index_list *list, cJSON *entry, const char *name);

/* Removes and frees an entry of the list. */
void index_list_remove(struct index_list *list, cJSON *entry);

/* The text of the list, valid until it changes. */
const struct buffer *index_list_text(struct index_list *list);

#endif

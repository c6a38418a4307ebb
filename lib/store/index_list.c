/* A list of images as JSON: see index_list.h. */
#include "store/index_list.h"

#include "base/text.h"
#include "format/image.h"
#include "store/index_recovery.h"

/* The entries of one name, for different platforms. */
struct named {
	cJSON **entries;
	size_t n, capacity;
};

static void named_free(void *value)
{
	struct named *named = value;

	free(named->entries);
	free(named);
}

void index_list_free(struct index_list *list)
{
	strmap_free_values(&list->names, named_free);
	buffer_free(&list->text);
	cJSON_Delete(list->json);
	*list = (struct index_list){.json = NULL};
}

static void name_entry(struct index_list *list, cJSON *entry)
{
	const char *name = json_annotation(entry, ANNOTATION_NAME);
	struct named *named;

	if (!name)
		return;
	named = strmap_get(&list->names, name);
	if (!named) {
		named = xcalloc(1, sizeof(*named));
		strmap_put(&list->names, name, named);
	}
	GROW(named->entries, named->n, named->capacity);
	named->entries[named->n++] = entry;
}

void index_list_take(struct index_list *list, cJSON *json, cJSON *manifests)
{
	cJSON *entry;

	*list = (struct index_list){.json = json, .manifests = manifests};
	cJSON_ArrayForEach(entry, manifests)
	{
		name_entry(list, entry);
	}
}

bool index_list_has(const struct index_list *list, const cJSON *entry, const char *name)
{
	const struct named *named = strmap_get(&list->names, name);

	for (size_t i = 0; named && i < named->n; i++)
		if (cJSON_Compare(named->entries[i], entry, true))
			return true;
	return false;
}

/*
 * Adds an entry to the text, before it is added to the list.  To print all again for each entry would
 * take most of the time in which many images are fetched.
 */
static void add_text(struct index_list *list, const cJSON *entry)
{
	static const char end[] = "]\n}", indent[] = "\n\t\t";
	AUTO_FREE char *text = NULL;

	if (list->json->child->prev != list->manifests) /* the last member is another one */
		buffer_reset(&list->text);
	if (!list->text.len)
		return;
	buffer_truncate(&list->text, list->text.len - strlen(end));
	if (list->manifests->child)
		buffer_adds(&list->text, ", ");
	text = json_print(entry, true);
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n");

		buffer_add(&list->text, line, len);
		line += len + (line[len] == '\n');
		if (*line)
			buffer_adds(&list->text, indent);
	}
	buffer_adds(&list->text, end);
}

static void delete (struct index_list *list, cJSON *entry)
{
	cJSON_Delete(cJSON_DetachItemViaPointer(list->manifests, entry));
	buffer_reset(&list->text);
}

void index_list_put(struct index_list *list, cJSON *entry, const char *name)
{
	struct named *named = strmap_get(&list->names, name);
	AUTO_FREE char *platform = platform_of_descriptor(entry);

	for (size_t i = 0; named && i < named->n;) {
		AUTO_FREE char *other = platform_of_descriptor(named->entries[i]);

		if (!text_equal(other, platform)) {
			i++;
			continue;
		}
		delete (list, named->entries[i]);
		named->entries[i] = named->entries[--named->n];
	}
	add_text(list, entry);
	json_append(list->manifests, entry);
	name_entry(list, entry);
}

void index_list_remove(struct index_list *list, cJSON *entry)
{
	const char *name = json_annotation(entry, ANNOTATION_NAME);
	struct named *named = name ? strmap_get(&list->names, name) : NULL;

	for (size_t i = 0; named && i < named->n; i++)
		if (named->entries[i] == entry)
			named->entries[i--] = named->entries[--named->n];
	delete (list, entry);
}

const struct buffer *index_list_text(struct index_list *list)
{
	if (!list->text.len) {
		AUTO_FREE char *text = json_print(list->json, true);

		buffer_adds(&list->text, text);
	}
	return &list->text;
}

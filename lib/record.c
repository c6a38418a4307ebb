/* Records: one image on its way through a pipeline (ducc.h). */
#include "buffer.h"
#include "error.h"
#include "mem.h"
#include "record.h"

struct field {
	char *key;
	char *value;
};

struct ducc_record {
	char *reference;
	struct field *fields;
	size_t n, capacity;
};

static void add(struct ducc_record *record, char *key, char *value)
{
	GROW(record->fields, record->n, record->capacity);
	record->fields[record->n++] = (struct field){key, value};
}

ducc_record *ducc_record_parse(const char *line, ducc_error **err)
{
	struct ducc_record *record = xcalloc(1, sizeof(*record));
	size_t len = strcspn(line, "\t");

	record->reference = xstrndup(line, len);
	line += len;
	while (*line) {
		size_t key;

		line++;
		len = strcspn(line, "\t");
		key = strcspn(line, "=");
		if (!len) /* two tabs in a row, or one at the end */
			continue;
		if (key >= len) {
			error_set(err, "%.*s: field is not key=value", (int)len, line);
			error_wrap(err, "%s", record->reference);
			ducc_record_free(record);
			return NULL;
		}
		add(record, xstrndup(line, key), xstrndup(line + key + 1, len - key - 1));
		line += len;
	}
	if (!*record->reference) {
		error_set(err, "record without a reference");
		ducc_record_free(record);
		return NULL;
	}
	return record;
}

void ducc_record_free(ducc_record *record)
{
	if (!record)
		return;
	for (size_t i = 0; i < record->n; i++) {
		free(record->fields[i].key);
		free(record->fields[i].value);
	}
	free(record->fields);
	free(record->reference);
	free(record);
}

ducc_record *record_copy(const ducc_record *record)
{
	struct ducc_record *copy = xcalloc(1, sizeof(*copy));

	copy->reference = xstrdup(record->reference);
	for (size_t i = 0; i < record->n; i++)
		add(copy, xstrdup(record->fields[i].key), xstrdup(record->fields[i].value));
	return copy;
}

const char *ducc_record_reference(const ducc_record *record)
{
	return record->reference;
}

void record_set_reference(ducc_record *record, const char *reference)
{
	free(record->reference);
	record->reference = xstrdup(reference);
}

static struct field *find(const ducc_record *record, const char *key)
{
	for (size_t i = 0; i < record->n; i++)
		if (!strcmp(record->fields[i].key, key))
			return &record->fields[i];
	return NULL;
}

const char *ducc_record_get(const ducc_record *record, const char *key)
{
	const struct field *field = find(record, key);

	return field ? field->value : NULL;
}

void ducc_record_set(ducc_record *record, const char *key, const char *value)
{
	struct field *field = find(record, key);
	char *copy = xstrdup(value); /* which may be what is there now */

	if (!field) {
		add(record, xstrdup(key), copy);
		return;
	}
	free(field->value);
	field->value = copy;
}

char *ducc_record_format(const ducc_record *record)
{
	struct buffer line = {0};

	buffer_adds(&line, record->reference);
	for (size_t i = 0; i < record->n; i++)
		buffer_addf(&line, "\t%s=%s", record->fields[i].key, record->fields[i].value);
	return buffer_steal(&line);
}

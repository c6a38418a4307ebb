/* Records: one image in a pipeline (ducc.h). */
#include "format/record.h"

#include "base/buffer.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/strset.h"
#include "base/text.h"

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

static struct field *find(const ducc_record *record, const char *key)
{
	for (size_t i = 0; i < record->n; i++)
		if (!strcmp(record->fields[i].key, key))
			return &record->fields[i];
	return NULL;
}

/* True for printable ASCII without the blank and `=`, which ends a key. */
static bool is_key(const char *key)
{
	for (const char *p = key; *p; p++)
		if (*p <= ' ' || *p >= 0x7f || *p == '=')
			return false;
	return *key != '\0';
}

static int check_field(const char *key, const char *value, ducc_error **err)
{
	if (!is_key(key))
		return error_set(err, "%s: invalid field key", key);
	if (!text_is_plain(value))
		return error_set(err, "field %s= contains a control character: %s", key, value);
	return 0;
}

/* Adds a field of a line, `key=value`; keys has those before it. */
static int parse_field(struct ducc_record *record, struct strset *keys, const char *text,
		       size_t len, ducc_error **err)
{
	size_t end = strcspn(text, "=");
	AUTO_FREE char *key = NULL, *value = NULL;

	if (end >= len)
		return error_set(err, "%.*s: field is not key=value", (int)len, text);
	key = xstrndup(text, end);
	value = xstrndup(text + end + 1, len - end - 1);
	if (check_field(key, value, err) < 0)
		return -1;
	if (!strset_add(keys, key))
		return error_set(err, "duplicate field %s=", key);
	add(record, STEAL(key), STEAL(value));
	return 0;
}

static int check_reference(const char *reference, ducc_error **err)
{
	if (!*reference)
		return error_set(err, "record without a reference");
	if (!text_is_plain(reference))
		return error_set(err, "%s: reference contains a control character", reference);
	return 0;
}

static int parse(struct ducc_record *record, const char *line, ducc_error **err)
{
	size_t len = strcspn(line, "\t");
	AUTO_STRSET keys = {NULL};

	record->reference = xstrndup(line, len);
	if (check_reference(record->reference, err) < 0)
		return -1;
	for (line += len; *line; line += len) {
		line++;
		len = strcspn(line, "\t");
		/* Trailing whitespace, including tabs, is accepted. */
		if (len && parse_field(record, &keys, line, len, err) < 0)
			return error_wrap(err, "%s", record->reference);
	}
	return 0;
}

ducc_record *ducc_record_parse(const char *line, ducc_error **err)
{
	struct ducc_record *record = xcalloc(1, sizeof(*record));

	if (!parse(record, line, err))
		return record;
	error_kind(err, DUCC_USAGE);
	ducc_record_free(record);
	return NULL;
}

ducc_record *ducc_record_new(const char *reference, ducc_error **err)
{
	struct ducc_record *record;

	if (check_reference(reference, err) < 0) {
		error_kind(err, DUCC_USAGE);
		return NULL;
	}
	record = xcalloc(1, sizeof(*record));
	record->reference = xstrdup(reference);
	return record;
}

ducc_record *record_new(const struct reference *reference)
{
	struct ducc_record *record = xcalloc(1, sizeof(*record));

	record->reference = reference_format(reference);
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

ducc_record *ducc_record_copy(const ducc_record *record)
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

void record_set_reference(ducc_record *record, const struct reference *reference)
{
	free(record->reference);
	record->reference = reference_format(reference);
}

const char *ducc_record_get(const ducc_record *record, const char *key)
{
	const struct field *field = find(record, key);

	return field ? field->value : NULL;
}

bool ducc_record_field(const ducc_record *record, size_t i, const char **key, const char **value)
{
	if (i >= record->n)
		return false;
	*key = record->fields[i].key;
	*value = record->fields[i].value;
	return true;
}

int ducc_record_set(ducc_record *record, const char *key, const char *value, ducc_error **err)
{
	struct field *field = find(record, key);
	char *copy;

	if (!value) {
		record_unset(record, key);
		return 0;
	}
	if (check_field(key, value, err) < 0)
		return error_kind(err, DUCC_USAGE);
	copy = xstrdup(value); /* first: it may be the current value */
	if (!field) {
		add(record, xstrdup(key), copy);
		return 0;
	}
	free(field->value);
	field->value = copy;
	return 0;
}

void record_unset(ducc_record *record, const char *key)
{
	struct field *field = find(record, key);
	size_t rest;

	if (!field)
		return;
	rest = (size_t)(record->fields + record->n - field) - 1;
	free(field->key);
	free(field->value);
	memmove(field, field + 1, rest * sizeof(*field));
	record->n--;
}

char *ducc_record_format(const ducc_record *record)
{
	AUTO_FREE char *reference = text_hide_users(record->reference);
	struct buffer line = {0};

	buffer_adds(&line, reference);
	for (size_t i = 0; i < record->n; i++) {
		AUTO_FREE char *value = text_hide_users(record->fields[i].value);

		buffer_addf(&line, "\t%s=%s", record->fields[i].key, value);
	}
	return buffer_steal(&line);
}

/* JSON from outside: see json.h. */
#include "json.h"

#include <math.h>

#include "mem.h"

/* An escaped NUL, which would cut a C string short. */
static bool has_nul(const char *data, size_t len)
{
	for (size_t i = 0; i + 1 < len; i++) {
		if (data[i] != '\\')
			continue;
		if (len - i >= 6 && !memcmp(data + i, "\\u0000", 6))
			return true;
		i++; /* what is escaped begins no escape */
	}
	return false;
}

cJSON *json_parse(const char *data, size_t len, const char *what, ducc_error **err)
{
	const char *end = NULL;
	cJSON *json = cJSON_ParseWithLengthOpts(data, len, &end, false);

	if (json && has_nul(data, len)) {
		error_set(err, "%s: JSON with a NUL in a string", what);
		json_free(&json);
		return NULL;
	}
	if (!json) {
		size_t at = end ? (size_t)(end - data) : 0;

		error_set(err, "%s: not valid JSON, or nested too deep, at byte %zu", what, at);
		return NULL;
	}
	while (end < data + len && *end && strchr(" \t\r\n", *end))
		end++;
	if (!cJSON_IsObject(json) || end != data + len) {
		error_set(err, "%s: not a JSON object", what);
		json_free(&json);
	}
	return json;
}

/* The member if it is there and not null. */
static const cJSON *member(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsNull(item) ? NULL : item;
}

static int find(const cJSON *object, const char *key, cJSON_bool (*is)(const cJSON *),
		const char *type, const cJSON **value, ducc_error **err)
{
	*value = member(object, key);
	if (*value && !is(*value))
		return error_set(err, "\"%s\" is not %s", key, type);
	return 0;
}

static int get(const cJSON *object, const char *key, cJSON_bool (*is)(const cJSON *),
	       const char *type, const cJSON **value, ducc_error **err)
{
	if (find(object, key, is, type, value, err) < 0)
		return -1;
	return *value ? 0 : error_set(err, "\"%s\" is missing", key);
}

int json_find_object(const cJSON *object, const char *key, const cJSON **value, ducc_error **err)
{
	return find(object, key, cJSON_IsObject, "an object", value, err);
}

int json_find_array(const cJSON *object, const char *key, const cJSON **value, ducc_error **err)
{
	return find(object, key, cJSON_IsArray, "an array", value, err);
}

int json_get_object(const cJSON *object, const char *key, const cJSON **value, ducc_error **err)
{
	return get(object, key, cJSON_IsObject, "an object", value, err);
}

int json_get_array(const cJSON *object, const char *key, const cJSON **value, ducc_error **err)
{
	return get(object, key, cJSON_IsArray, "an array", value, err);
}

int json_find_string(const cJSON *object, const char *key, const char **value, ducc_error **err)
{
	const cJSON *item;

	*value = NULL;
	if (find(object, key, cJSON_IsString, "a string", &item, err) < 0)
		return -1;
	if (item)
		*value = item->valuestring;
	return 0;
}

int json_get_string(const cJSON *object, const char *key, const char **value, ducc_error **err)
{
	const cJSON *item;

	if (get(object, key, cJSON_IsString, "a string", &item, err) < 0)
		return -1;
	*value = item->valuestring;
	return 0;
}

int json_get_size(const cJSON *object, const char *key, uint64_t *value, ducc_error **err)
{
	const cJSON *item;

	if (get(object, key, cJSON_IsNumber, "a number", &item, err) < 0)
		return -1;
	/* written so that NaN fails too */
	if (!(item->valuedouble >= 0 && item->valuedouble <= 9007199254740992.0) ||
	    item->valuedouble != floor(item->valuedouble))
		return error_set(err, "\"%s\" is not a size", key);
	*value = (uint64_t)item->valuedouble;
	return 0;
}

const char *json_annotation(const cJSON *object, const char *key)
{
	const cJSON *annotations = cJSON_GetObjectItemCaseSensitive(object, "annotations");

	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(annotations, key));
}

char *json_print(const cJSON *json, bool pretty)
{
	return xalloc(pretty ? cJSON_Print(json) : cJSON_PrintUnformatted(json));
}

cJSON *json_object(void)
{
	return xalloc(cJSON_CreateObject());
}

cJSON *json_array(void)
{
	return xalloc(cJSON_CreateArray());
}

void json_set(cJSON *object, const char *key, cJSON *item)
{
	cJSON_DeleteItemFromObjectCaseSensitive(object, key);
	if (!cJSON_AddItemToObject(object, key, item))
		abort();
}

void json_set_string(cJSON *object, const char *key, const char *value)
{
	json_set(object, key, xalloc(cJSON_CreateString(value)));
}

void json_set_size(cJSON *object, const char *key, uint64_t value)
{
	json_set(object, key, xalloc(cJSON_CreateNumber((double)value)));
}

void json_append(cJSON *array, cJSON *item)
{
	if (!cJSON_AddItemToArray(array, item))
		abort();
}

cJSON *json_copy(const cJSON *item)
{
	return xalloc(cJSON_Duplicate(item, true));
}

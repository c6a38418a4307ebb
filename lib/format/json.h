/*
 * JSON from outside: cJSON with types and ranges checked.
 *
 * Every getter returns 0, or -1 with an error that names the member.  `what`
 * names the document in messages.  Strings and nodes belong to the document;
 * release it with json_free().  Nesting is bounded by cJSON.
 */
#ifndef DUCC_JSON_H
#define DUCC_JSON_H

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* The most bytes of JSON that are read from a registry or a store (as in containerd). */
#define JSON_LIMIT ((size_t)4 << 20)

static inline void json_free(cJSON **json)
{
	cJSON_Delete(*json);
	*json = NULL;
}

#define AUTO_JSON __attribute__((cleanup(json_free))) cJSON

/*
 * A document that must be one object, or array, and nothing after it.  Stricter than cJSON
 * where other readers would see another document: no NUL, no control characters but blanks
 * between words, no member twice in an object, in whatever case.  And its memory is in
 * proportion to its size: no more than 200,000 values, or one for each 16 bytes if that is more.
 */
cJSON *json_parse(const char *data, size_t len, const char *what, ducc_error **err);
cJSON *json_parse_array(const char *data, size_t len, const char *what, ducc_error **err);

/* A required member; `null` counts as missing. */
int json_get_string(const cJSON *object, const char *key, const char **value, ducc_error **err);
/* A whole number from 0 to 2^53. */
int json_get_size(const cJSON *object, const char *key, uint64_t *value, ducc_error **err);
int json_get_object(const cJSON *object, const char *key, const cJSON **value, ducc_error **err);
int json_get_array(const cJSON *object, const char *key, const cJSON **value, ducc_error **err);

/* An optional member: *value is NULL if it is missing or null; a wrong type is an error. */
int json_find_string(const cJSON *object, const char *key, const char **value, ducc_error **err);
int json_find_object(const cJSON *object, const char *key, const cJSON **value, ducc_error **err);
int json_find_array(const cJSON *object, const char *key, const cJSON **value, ducc_error **err);

/* Compares keys as Go's readers do, without regard to case, in strcmp(3)'s way. */
int json_compare_folded(const char *a, const char *b);

/* True if a number in the text has a fraction or an exponent, which Go takes for no integer. */
bool json_has_fractions(const char *data, size_t len);

/* True if the object has the member, in whatever case (as Go's readers find it). */
bool json_has_folded(const cJSON *object, const char *key);

/* The string of annotations.KEY or labels of that form, or NULL; never an error. */
const char *json_annotation(const cJSON *object, const char *key);

/* The document as text; the caller frees it with free(). */
char *json_print(const cJSON *json, bool pretty);

/* cJSON items for building; abort instead of returning NULL. */
cJSON *json_object(void);
cJSON *json_array(void);
void json_set_string(cJSON *object, const char *key, const char *value);
void json_set_size(cJSON *object, const char *key, uint64_t value);
/* Takes ownership of item. */
void json_set(cJSON *object, const char *key, cJSON *item);
void json_append(cJSON *array, cJSON *item);
cJSON *json_copy(const cJSON *item);

#endif

/*
 * Untrusted JSON: cJSON with checked types and ranges.
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

/* The maximum size of a JSON document from a registry or a store (as in containerd). */
#define JSON_LIMIT ((size_t)4 << 20)

static inline void json_free(cJSON **json)
{
	cJSON_Delete(*json);
	*json = NULL;
}

#define AUTO_JSON __attribute__((cleanup(json_free))) cJSON

/*
 * Parses a document that must be a single object or array.  Stricter than cJSON where other
 * parsers would read a different document: no NUL, no control characters except whitespace
 * between tokens.  Of duplicate members, ignoring case, the last one counts, and objects are
 * combined, as in Go's encoding/json; where its own versions differ, they are refused.  Memory
 * is proportional to the document's size: at most 200,000 values, or one for each 16 bytes if
 * that is more.
 */
cJSON *json_parse(const char *data, size_t len, const char *what, ducc_error **err);
cJSON *json_parse_array(const char *data, size_t len, const char *what, ducc_error **err);

/*
 * The same for a document of ducc's own whose strings are paths: malformed UTF-8, which the
 * others replace by U+FFFD, stays as it is.
 */
cJSON *json_parse_paths(const char *data, size_t len, const char *what, ducc_error **err);

/*
 * The member with that key or, as in Go's encoding/json, one whose key differs only in case;
 * NULL if it is missing or null.  All functions below find members this way.  Members of maps,
 * whose keys are data, are found with cJSON_GetObjectItemCaseSensitive().
 */
cJSON *json_member(const cJSON *object, const char *key);

/* The text of a member, or NULL if it is missing or not a string. */
const char *json_text(const cJSON *object, const char *key);

/* A required member; `null` counts as missing. */
int json_get_string(const cJSON *object, const char *key, const char **value, ducc_error **err);
/* An integer from 0 to 2^53. */
int json_get_size(const cJSON *object, const char *key, uint64_t *value, ducc_error **err);
int json_get_object(const cJSON *object, const char *key, const cJSON **value, ducc_error **err);
int json_get_array(const cJSON *object, const char *key, const cJSON **value, ducc_error **err);

/* An optional member: *value is NULL if it is missing or null; a wrong type is an error. */
int json_find_string(const cJSON *object, const char *key, const char **value, ducc_error **err);
int json_find_object(const cJSON *object, const char *key, const cJSON **value, ducc_error **err);
int json_find_array(const cJSON *object, const char *key, const cJSON **value, ducc_error **err);

/* Compares keys like strcmp(3), but ignoring case, as Go's encoding/json does. */
int json_compare_folded(const char *a, const char *b);

/* True if a number in the text has a fraction or exponent, which Go rejects in an integer. */
bool json_has_fractions(const char *data, size_t len);

/* True if the object has the member, even if it is null. */
bool json_has_folded(const cJSON *object, const char *key);

/* The string annotations.KEY, or NULL if absent or not a string; never an error. */
const char *json_annotation(const cJSON *object, const char *key);

/* Serialises the document; the caller frees the text with free(). */
char *json_print(const cJSON *json, bool pretty);

/* Building documents: these abort instead of returning NULL. */
cJSON *json_object(void);
cJSON *json_array(void);
void json_set_string(cJSON *object, const char *key, const char *value);
void json_set_size(cJSON *object, const char *key, uint64_t value);
/* Replaces the member, if there is one; takes ownership of item. */
void json_set(cJSON *object, const char *key, cJSON *item);
void json_append(cJSON *array, cJSON *item);
cJSON *json_copy(const cJSON *item);

#endif

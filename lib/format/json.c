/* Untrusted JSON: see json.h. */
#include "format/json.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "base/text.h"

/*
 * cJSON allocates 80 bytes for a value that may be two bytes of JSON, and as much again for
 * its key and text.  Manifests, configs and indexes have at least 25 bytes per value; documents
 * that are mostly brackets and commas are refused before they grow to 40 times their size.
 */
#define MANY_VALUES ((size_t)200000)
#define BYTES_PER_VALUE 16

static size_t most_values(size_t len)
{
	size_t most = len / BYTES_PER_VALUE;

	return most > MANY_VALUES ? most : MANY_VALUES;
}

/*
 * A NUL, escaped or not, truncates a string; and cJSON accepts control characters as
 * whitespace and within strings, where JSON forbids them (RFC 8259, sections 2 and 7).
 */
static bool is_strange(const char *at, size_t len, bool in_string)
{
	unsigned char c = (unsigned char)*at;

	if (c < ' ')
		return in_string || !c || !strchr("\t\n\r", c);
	return in_string && c == '\\' && len >= 6 && !memcmp(at, "\\u0000", 6);
}

static size_t count_digits(const char *at, size_t len)
{
	size_t n = 0;

	while (n < len && isdigit((unsigned char)at[n]))
		n++;
	return n;
}

/*
 * The length of the number at `at`, 0 if it is malformed (RFC 8259, section 6); clears *whole if
 * it has a fraction or exponent.
 */
static size_t number_length(const char *at, size_t len, bool *whole)
{
	size_t i = *at == '-', n = count_digits(at + i, len - i);

	if (!n || (n > 1 && at[i] == '0'))
		return 0;
	i += n;
	if (i < len && at[i] == '.') {
		n = count_digits(at + i + 1, len - i - 1);
		if (!n)
			return 0;
		i += 1 + n;
		*whole = false;
	}
	if (i < len && (at[i] == 'e' || at[i] == 'E')) {
		i++;
		i += i < len && (at[i] == '+' || at[i] == '-');
		n = count_digits(at + i, len - i);
		if (!n)
			return 0;
		i += n;
		*whole = false;
	}
	return i;
}

/*
 * Refuses input before cJSON parses it: bytes and numbers that other parsers read differently,
 * and too many values.  *whole: no number has a fraction or exponent.
 */
static int check_bytes(const char *data, size_t len, const char *what, bool *whole,
		       ducc_error **err)
{
	size_t values = 1, most = most_values(len);
	bool in_string = false;

	*whole = true;
	if (len >= 3 && !memcmp(data, "\xef\xbb\xbf", 3))
		return error_set(err, "%s: not valid JSON: byte order mark", what);
	for (size_t i = 0; i < len; i++) {
		char c = data[i];

		if (is_strange(data + i, len - i, in_string))
			return error_set(
				err, "%s: not valid JSON: control character, or NUL in a string",
				what);
		if (c == '"')
			in_string = !in_string;
		else if (in_string)
			i += c == '\\'; /* skip the escaped character */
		else if ((c == ',' || c == '[' || c == '{') && ++values > most)
			return error_set(err, "%s: JSON with more than %zu values", what, most);
		else if (c == '-' || isdigit((unsigned char)c)) {
			size_t n = number_length(data + i, len - i, whole);

			if (!n)
				return error_set(err,
						 "%s: not valid JSON: malformed number at byte %zu",
						 what, i);
			i += n - 1;
		}
	}
	return 0;
}

bool json_has_fractions(const char *data, size_t len)
{
	bool whole;

	return check_bytes(data, len, "", &whole, NULL) < 0 || !whole;
}

/*
 * The next character of a key as Go compares keys: ignoring case, which folds two characters
 * outside ASCII, U+017F (long s) and U+212A (the Kelvin sign).
 */
static int next_folded(const char **key)
{
	const char *at = *key;
	size_t len = 1;
	int c = tolower((unsigned char)*at);

	if (!strncmp(at, "\xc5\xbf", 2)) {
		c = 's';
		len = 2;
	} else if (!strncmp(at, "\xe2\x84\xaa", 3)) {
		c = 'k';
		len = 3;
	}
	*key += *at ? len : 0;
	return c;
}

int json_compare_folded(const char *a, const char *b)
{
	int left, right;

	do {
		left = next_folded(&a);
		right = next_folded(&b);
	} while (left && left == right);
	return left - right;
}

/* A member of an object, and its rank among all of them. */
struct member {
	cJSON *item;
	size_t rank;
};

static int by_rank(const struct member *a, const struct member *b)
{
	return (a->rank > b->rank) - (a->rank < b->rank);
}

static int by_key(const void *a, const void *b)
{
	const struct member *left = a, *right = b;
	int result = strcmp(left->item->string, right->item->string);

	return result ? result : by_rank(left, right);
}

static int by_folded_key(const void *a, const void *b)
{
	const struct member *left = a, *right = b;
	int result = json_compare_folded(left->item->string, right->item->string);

	return result ? result : by_rank(left, right);
}

/* True for an object whose keys are data: their case is significant. */
static bool is_map(const cJSON *object)
{
	static const char *const maps[] = {"annotations",  "labels", "volumes",
					   "exposedports", "auths",  "credhelpers"};

	for (size_t i = 0; object->string && i < ARRAY_LEN(maps); i++)
		if (!json_compare_folded(object->string, maps[i]))
			return true;
	return false;
}

/* True for an array whose elements Go combines with those of one that it has decoded before. */
static bool is_combined(const cJSON *array)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, array)
	{
		if (cJSON_IsObject(item) || cJSON_IsArray(item) || cJSON_IsNull(item))
			return true;
	}
	return false;
}

static bool look_alike(const cJSON *a, const cJSON *b)
{
	AUTO_FREE char *left = json_print(a, false), *right = json_print(b, false);

	return !strcmp(left, right);
}

/* Puts the members of an object before those of another. */
static void prepend_members(cJSON *object, cJSON *first)
{
	cJSON *last;

	if (!first->child)
		return;
	if (object->child) {
		last = first->child->prev;
		first->child->prev = object->child->prev;
		last->next = object->child;
		object->child->prev = last;
	}
	object->child = first->child;
	first->child = NULL;
}

/*
 * Combines two members of one key as Go's encoding/json does, which decodes the second over the
 * first: *kept is the one that stays.  False where its result depends on its version or on the
 * structure, neither of which all readers share: elements that are not scalars, and null.
 */
static bool combine(bool in_map, cJSON *first, cJSON *second, cJSON **kept)
{
	*kept = second;
	if (in_map)
		return true;
	if (cJSON_IsNull(second) && !cJSON_IsArray(first) && !is_map(first)) {
		*kept = first;
		return !cJSON_IsObject(first);
	}
	if (cJSON_IsObject(first) && cJSON_IsObject(second))
		prepend_members(second, first);
	else if (cJSON_IsArray(first) && cJSON_IsArray(second))
		return !first->child || !is_combined(second) || look_alike(first, second);
	return true;
}

/* Combines the members of each key; a key for which that is impossible, or NULL. */
static const char *combine_twins(cJSON *object)
{
	bool in_map = is_map(object);
	size_t n = 0, kept = 0;
	AUTO_FREE struct member *members = NULL;
	cJSON *item;

	members = xcalloc((size_t)cJSON_GetArraySize(object), sizeof(*members));
	cJSON_ArrayForEach(item, object)
	{
		members[n] = (struct member){item, n};
		n++;
	}
	if (n)
		qsort(members, n, sizeof(*members), in_map ? by_key : by_folded_key);
	for (size_t i = 1; i < n; i++) {
		cJSON *first = members[kept].item, *second = members[i].item;

		if (in_map ? strcmp(first->string, second->string) != 0
			   : json_compare_folded(first->string, second->string) != 0) {
			kept = i;
			continue;
		}
		if (!combine(in_map, first, second, &item))
			return second->string;
		cJSON_Delete(cJSON_DetachItemViaPointer(object, item == first ? second : first));
		members[i].item = item;
		kept = i;
	}
	return NULL;
}

/* The same for all objects in the document, whose depth cJSON limits. */
/* NOLINTNEXTLINE(misc-no-recursion) */
static const char *combine_all_twins(cJSON *item)
{
	const char *twin = cJSON_IsObject(item) ? combine_twins(item) : NULL;
	cJSON *child;

	cJSON_ArrayForEach(child, item)
	{
		if (!twin && child->child)
			twin = combine_all_twins(child);
	}
	return twin;
}

/* The code of the escape \\uXXXX at `at`, or -1. */
static long escaped_code(const char *at, size_t len)
{
	char digits[5] = {0};

	if (len < 6 || at[0] != '\\' || at[1] != 'u')
		return -1;
	memcpy(digits, at + 2, 4);
	return strspn(digits, "0123456789abcdefABCDEF") == 4 ? strtol(digits, NULL, 16) : -1;
}

static bool is_surrogate(long code, long first)
{
	return code >= first && code < first + 0x400;
}

/* The length of the character or escape at `at`, or 0 if Go replaces it. */
static size_t unit_length(const char *at, size_t len)
{
	long code = escaped_code(at, len);

	if (*at != '\\')
		return text_sequence(at, len);
	if (is_surrogate(code, 0xd800))
		return is_surrogate(escaped_code(at + 6, len - 6), 0xdc00) ? 12 : 0;
	if (is_surrogate(code, 0xdc00))
		return 0;
	return len > 1 ? 2 : 1;
}

/*
 * Replaces malformed UTF-8 and lone surrogates, as in labels that were cut, by U+FFFD, as Go's
 * encoding/json does.
 */
static void well_formed(const char *data, size_t len, struct buffer *text)
{
	for (size_t i = 0, n; i < len; i += n) {
		n = unit_length(data + i, len - i);
		if (n) {
			buffer_add(text, data + i, n);
			continue;
		}
		buffer_adds(text, "\xef\xbf\xbd");
		n = data[i] == '\\' ? 6 : 1;
	}
}

static cJSON *parse(const char *data, size_t len, cJSON_bool (*is)(const cJSON *), const char *type,
		    const char *what, ducc_error **err)
{
	const char *end = NULL, *twin;
	AUTO_JSON *json = NULL;
	bool whole;

	if (check_bytes(data, len, what, &whole, err) < 0)
		return NULL;
	errno = 0;
	json = cJSON_ParseWithLengthOpts(data, len, &end, false);
	if (!json && errno == ENOMEM)
		out_of_memory();
	if (!json) {
		size_t at = end ? (size_t)(end - data) : 0;

		error_set(err, "%s: not valid JSON, or nested too deeply, at byte %zu", what, at);
		return NULL;
	}
	while (end < data + len && strchr(" \t\r\n", *end))
		end++;
	if (!is(json) || end != data + len) {
		error_set_kind(err, DUCC_CORRUPT, "%s: not a JSON %s", what, type);
		return NULL;
	}
	twin = combine_all_twins(json);
	if (twin) {
		error_set_kind(err, DUCC_CORRUPT, "%s: duplicate member \"%s\" in a JSON object",
			       what, twin);
		return NULL;
	}
	return STEAL(json);
}

cJSON *json_parse(const char *data, size_t len, const char *what, ducc_error **err)
{
	AUTO_BUFFER text = {0};

	well_formed(data, len, &text);
	return parse(text.data, text.len, cJSON_IsObject, "object", what, err);
}

cJSON *json_parse_paths(const char *data, size_t len, const char *what, ducc_error **err)
{
	return parse(data, len, cJSON_IsObject, "object", what, err);
}

cJSON *json_parse_array(const char *data, size_t len, const char *what, ducc_error **err)
{
	AUTO_BUFFER text = {0};

	well_formed(data, len, &text);
	return parse(text.data, text.len, cJSON_IsArray, "array", what, err);
}

/* The first member with that key, ignoring case, or NULL. */
static cJSON *find_folded(const cJSON *object, const char *key)
{
	cJSON *item = cJSON_IsObject(object) ? object->child : NULL;

	while (item && json_compare_folded(item->string, key) != 0)
		item = item->next;
	return item;
}

cJSON *json_member(const cJSON *object, const char *key)
{
	cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	if (!item)
		item = find_folded(object, key);
	return cJSON_IsNull(item) ? NULL : item;
}

const char *json_text(const cJSON *object, const char *key)
{
	return cJSON_GetStringValue(json_member(object, key));
}

static int find(const cJSON *object, const char *key, cJSON_bool (*is)(const cJSON *),
		const char *type, const cJSON **value, ducc_error **err)
{
	*value = json_member(object, key);
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
	/* written so that NaN fails as well */
	if (!(item->valuedouble >= 0 && item->valuedouble <= 9007199254740992.0) ||
	    item->valuedouble != floor(item->valuedouble))
		return error_set(err, "\"%s\" is not a size", key);
	*value = (uint64_t)item->valuedouble;
	return 0;
}

bool json_has_folded(const cJSON *object, const char *key)
{
	return find_folded(object, key);
}

const char *json_annotation(const cJSON *object, const char *key)
{
	const cJSON *annotations = json_member(object, "annotations");

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
	cJSON *old = find_folded(object, key);

	if (old)
		cJSON_Delete(cJSON_DetachItemViaPointer(object, old));
	if (!cJSON_AddItemToObject(object, key, item))
		out_of_memory();
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
		out_of_memory();
}

cJSON *json_copy(const cJSON *item)
{
	return xalloc(cJSON_Duplicate(item, true));
}

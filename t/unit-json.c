/* JSON from outside: what other readers might take for another document is refused. */
#include "base/buffer.h"
#include "base/mem.h"
#include "format/json.h"
#include "tap.h"

static void refused(const char *data, size_t len, const char *says_this)
{
	ducc_error *err = NULL;
	cJSON *json = json_parse(data, len, "document", &err);

	ok(!json, "refused: %s", says_this);
	json_free(&json);
	says(&err, says_this, "... with the reason");
}

#define REFUSED(text, says_this) refused(text, sizeof(text) - 1, says_this)

static void read_as(const char *data, size_t len, const char *text)
{
	AUTO_JSON *json = json_parse(data, len, "document", NULL);
	AUTO_FREE char *got = json ? json_print(json, false) : NULL;

	is_string(got, text, data);
}

#define READ_AS(text, as) read_as(text, sizeof(text) - 1, as)

/* An object with an array of n times the item: n + 2 values if the item is one. */
static void repeat(struct buffer *text, size_t n, const char *item)
{
	text->len = 0;
	buffer_adds(text, "{\"a\":[");
	for (size_t i = 0; i < n; i++)
		buffer_addf(text, "%s%s", i ? "," : "", item);
	buffer_adds(text, "]}");
}

static void is_read(const struct buffer *text, const char *title)
{
	AUTO_JSON *json = json_parse(text->data, text->len, "document", NULL);

	ok(json != NULL, "%s", title);
}

static void test_values(void)
{
	static const char of_16[] = "               0"; /* with its comma 17 bytes */
	AUTO_BUFFER text = {0};

	repeat(&text, 199998, "0");
	is_read(&text, "200,000 values");
	repeat(&text, 199999, "0");
	refused(text.data, text.len, "more than 200000 values");
	repeat(&text, 199998, "[]");
	refused(text.data, text.len, "more than 200000 values");
	repeat(&text, 199998, "{}");
	refused(text.data, text.len, "more than 200000 values");

	repeat(&text, 1000000, of_16);
	is_read(&text, "1,000,000 values, as there are more than 16 bytes for each");
	repeat(&text, 1000000, of_16 + 2);
	refused(text.data, text.len, "document: JSON with more than 937500 values");

	text.data[0] = 'x'; /* where cJSON stops */
	refused(text.data, text.len, "more than 937500 values");

	repeat(&text, 1, "\"");
	text.len -= 2;
	for (size_t i = 0; i < 200000; i++)
		buffer_adds(&text, "[,{\\\"");
	buffer_adds(&text, "\"]}");
	is_read(&text, "what is in a string is not counted, after an escaped quote either");
}

/* Go decodes {"TEXT":1} into a struct with the member "key": true if it is found there. */
static bool finds(const char *text, const char *key)
{
	AUTO_BUFFER document = {0};
	AUTO_JSON *json = NULL;

	buffer_addf(&document, "{\"other\":0,\"%s\":1}", text);
	json = json_parse(document.data, document.len, "document", NULL);
	return json && cJSON_IsNumber(json_member(json, key));
}

static void test_case(void)
{
	static const char both[] =
		"{\"labels\":{\"a\":\"1\",\"A\":\"2\"},\"rootfS\":{},\"OS\":null}";
	AUTO_JSON *json = json_parse(both, sizeof(both) - 1, "document", NULL);
	AUTO_FREE char *text = NULL;
	const cJSON *object;
	const char *string;

	ok(finds("diff_ids", "diff_ids") && finds("Diff_IDs", "diff_ids"), "keys in any case");
	ok(finds("diff_id\305\277", "diff_ids"), "... the long s is an s");
	ok(finds("\342\204\252EY", "key"), "... the Kelvin sign is a k");
	ok(!finds("\303\204rger", "\303\244rger"), "... other letters are themselves");
	ok(!finds("diff_id", "diff_ids") && !finds("diff_idss", "diff_ids") && !finds("", "s"),
	   "a part of a key is another key");
	ok(!json_get_object(json, "rootfs", &object, NULL) && object, "getters read them as well");
	ok(!json_find_string(json, "os", &string, NULL) && !string, "... null is missing");
	ok(!json_member(json, "os") && json_has_folded(json, "os"), "... but is there");
	json_set_string(json, "rootfs", "x");
	json_set_string(json, "os", "y");
	text = json_print(json, false);
	is_string(text, "{\"labels\":{\"a\":\"1\",\"A\":\"2\"},\"rootfs\":\"x\",\"os\":\"y\"}",
		  "a member is replaced whatever its case; labels differ by it");
}

/* As Go's encoding/json decodes the same documents into structures. */
static void test_twins(void)
{
	READ_AS("{\"a\":1,\"b\":2,\"a\":3}", "{\"b\":2,\"a\":3}");
	READ_AS("{\"x\":[1,{\"y\":{\"b\":2,\"b\":3}}]}", "{\"x\":[1,{\"y\":{\"b\":3}}]}");
	READ_AS("{\"Env\":[\"a\",\"b\"],\"ENV\":[\"c\"]}", "{\"ENV\":[\"c\"]}");
	READ_AS("{\"a\":1,\"A\":2,\"b\":0,\"a\":3,\"A\":4}", "{\"b\":0,\"A\":4}");
	READ_AS("{\"key\":1,\"\342\204\252ey\":2}", "{\"\342\204\252ey\":2}");
	READ_AS("{\"c\":{\"a\":1,\"b\":2},\"C\":{\"B\":3,\"d\":4}}",
		"{\"C\":{\"a\":1,\"B\":3,\"d\":4}}");
	READ_AS("{\"c\":{},\"c\":{\"a\":1},\"c\":{},\"c\":{\"b\":2}}", "{\"c\":{\"a\":1,\"b\":2}}");
	READ_AS("{\"labels\":{\"a\":1,\"A\":2,\"b\":3,\"a\":4},\"Labels\":{\"b\":5}}",
		"{\"Labels\":{\"A\":2,\"a\":4,\"b\":5}}");
	READ_AS("{\"labels\":{\"a\":1},\"labels\":null}", "{\"labels\":null}");
	READ_AS("{\"a\":\"x\",\"a\":null}", "{\"a\":\"x\"}");
	READ_AS("{\"a\":[1],\"a\":null}", "{\"a\":null}");
	READ_AS("{\"a\":null,\"a\":[{\"b\":1}]}", "{\"a\":[{\"b\":1}]}");
	READ_AS("{\"layers\":[],\"layers\":[{\"b\":1}]}", "{\"layers\":[{\"b\":1}]}");
	READ_AS("{\"layers\":[{\"b\":1}],\"layers\":[{\"b\":1}]}", "{\"layers\":[{\"b\":1}]}");
	READ_AS("{\"layers\":[{\"b\":1}],\"layers\":[]}", "{\"layers\":[]}");
	REFUSED("{\"layers\":[{\"b\":1}],\"LAYERS\":[{\"c\":2}]}", "duplicate member \"LAYERS\"");
	REFUSED("{\"Env\":[\"a\",\"b\"],\"ENV\":[\"c\",null]}", "duplicate member \"ENV\"");
	REFUSED("{\"platform\":{\"os\":\"x\"},\"platform\":null}", "duplicate member \"platform\"");
}

static void test_texts(void)
{
	READ_AS("{\"a\":\"x\\ud83d\"}", "{\"a\":\"x\357\277\275\"}");
	READ_AS("{\"a\":\"\\uDE00\\ud83d\\n\"}", "{\"a\":\"\357\277\275\357\277\275\\n\"}");
	READ_AS("{\"a\":\"\\ud83d\\uD83D\\uDe00\"}", "{\"a\":\"\357\277\275\360\237\230\200\"}");
	READ_AS("{\"a\":\"\\\\ud83d\"}", "{\"a\":\"\\\\ud83d\"}");
	READ_AS("{\"a\":\"caf\351 \303\251\"}", "{\"a\":\"caf\357\277\275 \303\251\"}");
	READ_AS("{\"a\":\"\355\240\200\300\200\"}",
		"{\"a\":\"\357\277\275\357\277\275\357\277\275\357\277\275\357\277\275\"}");
}

int main(void)
{
	static const char good[] = "\t{\"a\":\"\\\\u0000\\\"\\t\",\r\n\"b\":{\"a\":[{\"a\":1}]}}\n";
	static const char array[] = "[{\"a\":1}]";
	cJSON *json = json_parse(good, sizeof(good) - 1, "document", NULL);

	ok(json != NULL, "escapes, blanks, and the same member in other objects are fine");
	json_free(&json);
	json = json_parse_array(array, sizeof(array) - 1, "document", NULL);
	ok(json != NULL, "an array where an array is wanted");
	json_free(&json);
	REFUSED("[]", "not a JSON object");
	REFUSED("{\"a\":1} x", "not a JSON object");
	REFUSED("{\"a\":1", "not valid JSON");
	REFUSED("{\"a\":\"b\\u0000c\"}", "NUL in a string");
	REFUSED("{\"a\":\"b\0c\"}", "control character");
	REFUSED("{\"a\0b\":1}", "control character");
	REFUSED("{\"a\":\"b\nc\"}", "control character");
	REFUSED("{\"a\":1}\v", "");
	REFUSED("{\"a\":01}", "number at byte 5");
	REFUSED("{\"a\":-.5}", "number at");
	REFUSED("{\"a\":1.}", "number at");
	REFUSED("{\"a\":1e}", "number at");
	REFUSED("\357\273\277{}", "byte order mark");
	test_case();
	test_twins();
	test_texts();
	test_values();
	return done_testing();
}

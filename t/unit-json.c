/* JSON from outside: what other readers might take for another document is refused. */
#include "json.h"
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
	REFUSED("{\"a\":1,\"b\":2,\"a\":3}", "\"a\" twice");
	REFUSED("{\"x\":[1,{\"y\":{\"b\":2,\"b\":3}}]}", "\"b\" twice");
	return done_testing();
}

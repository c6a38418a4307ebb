/* A subset of TOML: see toml.h. */
#include "format/toml.h"

#include "base/buffer.h"
#include "base/mem.h"
#include "base/strset.h"

struct parser {
	const char *p, *end;
	unsigned line;
	const struct toml_reader *reader;
	struct strset keys; /* of the current table */
};

static bool at(const struct parser *parser, char c)
{
	return parser->p < parser->end && *parser->p == c;
}

/* TOML allows no control characters except the tab. */
static bool is_control(char c)
{
	return ((unsigned char)c < ' ' && c != '\t') || c == 0x7f;
}

static void skip_blanks(struct parser *parser)
{
	while (at(parser, ' ') || at(parser, '\t'))
		parser->p++;
}

/* Skips blanks, comments and, inside an array, line ends. */
static void skip_space(struct parser *parser, bool newlines)
{
	for (;;) {
		skip_blanks(parser);
		if (at(parser, '#'))
			while (parser->p < parser->end && !is_control(*parser->p))
				parser->p++;
		if (at(parser, '\r') && parser->p + 1 < parser->end && parser->p[1] == '\n')
			parser->p++;
		if (!newlines || !at(parser, '\n'))
			return;
		parser->p++;
		parser->line++;
	}
}

static int unexpected(ducc_error **err)
{
	return error_set(err, "syntax error");
}

static int escape(struct parser *parser, struct buffer *text, ducc_error **err)
{
	static const char from[] = "\"\\tnrbf", to[] = "\"\\\t\n\r\b\f";
	const char *found;

	parser->p++;
	found = parser->p < parser->end && *parser->p ? strchr(from, *parser->p) : NULL;
	if (!found)
		return unexpected(err);
	buffer_addc(text, to[found - from]);
	parser->p++;
	return 0;
}

/* A string in single or double quotes, on one line. */
static int read_string(struct parser *parser, struct buffer *text, ducc_error **err)
{
	char quote = *parser->p++;

	buffer_adds(text, "");
	while (parser->p < parser->end && *parser->p != quote) {
		if (is_control(*parser->p))
			return unexpected(err);
		if (quote == '"' && *parser->p == '\\') {
			if (escape(parser, text, err) < 0)
				return -1;
			continue;
		}
		buffer_addc(text, *parser->p++);
	}
	if (!at(parser, quote))
		return error_set(err, "unterminated string");
	parser->p++;
	return 0;
}

/* A key, or several joined by dots. */
static int read_key(struct parser *parser, struct buffer *key, ducc_error **err)
{
	for (;;) {
		size_t before = key->len;

		skip_blanks(parser);
		if (at(parser, '"') || at(parser, '\'')) {
			if (read_string(parser, key, err) < 0)
				return -1;
		} else {
			while (parser->p < parser->end && *parser->p &&
			       strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_-",
				      *parser->p))
				buffer_addc(key, *parser->p++);
			if (key->len == before)
				return unexpected(err);
		}
		skip_blanks(parser);
		if (!at(parser, '.'))
			return 0;
		parser->p++;
		buffer_addc(key, '.');
	}
}

static bool take_word(struct parser *parser, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(parser->end - parser->p) < len || strncmp(parser->p, word, len) != 0)
		return false;
	parser->p += len;
	return true;
}

static int skip_array(struct parser *parser, ducc_error **err)
{
	parser->p++;
	for (;;) {
		AUTO_BUFFER text = {0};

		skip_space(parser, true);
		if (at(parser, ']'))
			break;
		if ((!at(parser, '"') && !at(parser, '\'')) || read_string(parser, &text, err) < 0)
			return unexpected(err);
		skip_space(parser, true);
		if (at(parser, ','))
			parser->p++;
		else if (!at(parser, ']'))
			return unexpected(err);
	}
	parser->p++;
	return 0;
}

static int read_assignment(struct parser *parser, ducc_error **err)
{
	const struct toml_reader *reader = parser->reader;
	AUTO_BUFFER key = {0}, text = {0};
	bool yes;

	if (read_key(parser, &key, err) < 0)
		return -1;
	if (!at(parser, '='))
		return unexpected(err);
	if (!strset_add(&parser->keys, key.data))
		return error_set(err, "duplicate key %s", key.data);
	parser->p++;
	skip_blanks(parser);
	if (at(parser, '['))
		return skip_array(parser, err) < 0
			       ? -1
			       : reader->key(reader->ctx, key.data, NULL, NULL, err);
	yes = take_word(parser, "true");
	if (yes || take_word(parser, "false"))
		return reader->key(reader->ctx, key.data, NULL, &yes, err);
	if (!at(parser, '"') && !at(parser, '\''))
		return unexpected(err);
	if (read_string(parser, &text, err) < 0)
		return -1;
	return reader->key(reader->ctx, key.data, text.data, NULL, err);
}

static int read_header(struct parser *parser, ducc_error **err)
{
	AUTO_BUFFER name = {0};
	bool is_array = take_word(parser, "[[");

	if (!is_array)
		parser->p++;
	if (read_key(parser, &name, err) < 0)
		return -1;
	if (!take_word(parser, is_array ? "]]" : "]"))
		return unexpected(err);
	strset_cut(&parser->keys, 0);
	return parser->reader->table(parser->reader->ctx, name.data, is_array, err);
}

static int read_all(struct parser *parser, ducc_error **err)
{
	for (;;) {
		int result;

		skip_space(parser, true);
		if (parser->p == parser->end)
			return 0;
		result = at(parser, '[') ? read_header(parser, err) : read_assignment(parser, err);
		if (!result) {
			skip_space(parser, false);
			if (parser->p < parser->end && !at(parser, '\n'))
				result = unexpected(err);
		}
		if (result < 0)
			return error_wrap(err, "line %u", parser->line);
	}
}

int toml_read(const char *data, size_t len, const struct toml_reader *reader, ducc_error **err)
{
	struct parser parser = {.p = data, .end = data + len, .line = 1, .reader = reader};
	int result = read_all(&parser, err);

	strset_free(&parser.keys);
	return result;
}

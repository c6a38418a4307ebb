/* Recipes: see recipe.h. */
#include "format/recipe.h"

#include <yaml.h>

#include "base/mem.h"
#include "base/text.h"

#define MAX_DEPTH 16
#define MAX_ANCHORS 1000
#define DEPTH_OF_IMAGES 2 /* in the list of the document */

/* Statistics of the document, from its events, before it is loaded. */
struct shape {
	unsigned documents, depth, anchors;
};

struct reader {
	yaml_document_t document;
	struct recipe *recipe;
	unsigned version; /* line of the key; 0: not seen */
	unsigned images;  /* likewise */
};

static unsigned line_of(const yaml_node_t *node)
{
	return (unsigned)node->start_mark.line + 1;
}

static const char *value_of(const yaml_node_t *node)
{
	return (const char *)node->data.scalar.value;
}

/* True for YAML's null: only a plain scalar, as quotes make it a string. */
static bool is_null(const yaml_node_t *node)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};

	if (node->type != YAML_SCALAR_NODE || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(nulls); i++)
		if (!strcmp(value_of(node), nulls[i]))
			return true;
	return false;
}

/* True for a string that is safe in a record: no control characters, no NUL. */
static bool is_text(const yaml_node_t *node)
{
	return node->type == YAML_SCALAR_NODE && !is_null(node) &&
	       strlen(value_of(node)) == node->data.scalar.length && text_is_plain(value_of(node));
}

static void add(struct recipe_texts *texts, char *text, unsigned line)
{
	GROW(texts->items, texts->n, texts->capacity);
	texts->items[texts->n++] = (struct recipe_text){text, line};
}

static int twice(const char *key, unsigned line, unsigned before, ducc_error **err)
{
	return error_set(err, "line %u: %s already set on line %u", line, key, before);
}

static int read_text(struct recipe_text *text, const char *key, const yaml_node_t *value,
		     ducc_error **err)
{
	if (text->line)
		return twice(key, line_of(value), text->line, err);
	text->line = line_of(value);
	if (is_null(value))
		return 0;
	if (!is_text(value))
		return error_set(err, "line %u: %s is not a string", text->line, key);
	text->text = xstrdup(value_of(value));
	return 0;
}

static int read_version(struct reader *reader, const yaml_node_t *value, ducc_error **err)
{
	if (reader->version)
		return twice("version", line_of(value), reader->version, err);
	reader->version = line_of(value);
	if (!is_text(value))
		return error_set(err, "line %u: version is not a number", reader->version);
	if (strcmp(value_of(value), "1") != 0)
		return error_set(err, "line %u: unknown version %s", reader->version,
				 value_of(value));
	return 0;
}

static int read_images(struct reader *reader, const yaml_node_t *value, ducc_error **err)
{
	if (reader->images)
		return twice("input", line_of(value), reader->images, err);
	reader->images = line_of(value);
	if (value->type != YAML_SEQUENCE_NODE)
		return error_set(err, "line %u: input is not a list", reader->images);
	for (const yaml_node_item_t *item = value->data.sequence.items.start;
	     item < value->data.sequence.items.top; item++) {
		const yaml_node_t *image = yaml_document_get_node(&reader->document, *item);

		if (image->type == YAML_SCALAR_NODE && !is_text(image) &&
		    memchr(value_of(image), '!', image->data.scalar.length))
			return error_set(err, "line %u: an exclusion with a control character",
					 line_of(image));
		add(&reader->recipe->images, is_text(image) ? xstrdup(value_of(image)) : NULL,
		    line_of(image));
	}
	return 0;
}

static int read_member(struct reader *reader, const yaml_node_t *key, const yaml_node_t *value,
		       ducc_error **err)
{
	struct recipe *recipe = reader->recipe;
	const char *name;

	if (!is_text(key))
		return error_set(err, "line %u: key is not a string", line_of(key));
	name = value_of(key);
	if (!strcmp(name, "version"))
		return read_version(reader, value, err);
	if (!strcmp(name, "input"))
		return read_images(reader, value, err);
	if (!strcmp(name, "user"))
		return read_text(&recipe->user, name, value, err);
	if (!strcmp(name, "cvmfs_repo"))
		return read_text(&recipe->repository, name, value, err);
	if (!strcmp(name, "output_format"))
		return read_text(&recipe->output_format, name, value, err);
	add(&recipe->unknown, xstrdup(name), line_of(key));
	return 0;
}

static int read_root(struct reader *reader, ducc_error **err)
{
	const yaml_node_t *root = yaml_document_get_root_node(&reader->document);

	if (!root)
		return error_set(err, "empty document");
	if (root->type != YAML_MAPPING_NODE)
		return error_set(err, "line %u: expected a mapping", line_of(root));
	for (const yaml_node_pair_t *pair = root->data.mapping.pairs.start;
	     pair < root->data.mapping.pairs.top; pair++)
		if (read_member(reader, yaml_document_get_node(&reader->document, pair->key),
				yaml_document_get_node(&reader->document, pair->value), err) < 0)
			return -1;
	if (!reader->version)
		return error_set(err, "version is missing");
	if (!reader->images)
		return error_set(err, "input is missing");
	return 0;
}

static int syntax_error(const yaml_parser_t *parser, ducc_error **err)
{
	if (parser->error == YAML_READER_ERROR)
		return error_set(err, "byte %zu: %s", parser->problem_offset, parser->problem);
	return error_set(err, "line %zu: not YAML: %s", parser->problem_mark.line + 1,
			 parser->problem ? parser->problem : "syntax error");
}

static const yaml_char_t *tag_of(const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SEQUENCE_START_EVENT:
		return event->data.sequence_start.tag;
	case YAML_MAPPING_START_EVENT:
		return event->data.mapping_start.tag;
	case YAML_SCALAR_EVENT:
		return event->data.scalar.tag;
	default:
		return NULL;
	}
}

/*
 * Refuses what would not be an exclusion, though it was meant to be one: without quotes, it is a tag; with a
 * colon behind it, the key of a mapping.
 */
static int check_exclusion(const yaml_event_t *event, const struct shape *shape, ducc_error **err)
{
	size_t line = event->start_mark.line + 1;
	const char *tag = (const char *)tag_of(event), *value;

	if (shape->depth < DEPTH_OF_IMAGES)
		return 0;
	if (tag)
		return error_set(err,
				 "line %zu: %s is a tag: to exclude an image, quote it: '!NAME'",
				 line, tag);
	if (event->type != YAML_SCALAR_EVENT || shape->depth == DEPTH_OF_IMAGES)
		return 0;
	value = (const char *)event->data.scalar.value;
	if (value[strspn(value, " \t")] == '!')
		return error_set(err, "line %zu: an exclusion within something else: %s", line,
				 value);
	return 0;
}

/*
 * Checks one event.  libyaml's time is quadratic in the depth and the number of anchors, of
 * which a recipe needs few.  A second document is refused: its images would be ignored
 * silently.
 */
static int check_event(const yaml_event_t *event, struct shape *shape, ducc_error **err)
{
	size_t line = event->start_mark.line + 1;

	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		return shape->documents++ ? error_set(err, "line %zu: more than one document", line)
					  : 0;
	case YAML_SEQUENCE_START_EVENT:
		shape->anchors += event->data.sequence_start.anchor != NULL;
		shape->depth++;
		break;
	case YAML_MAPPING_START_EVENT:
		shape->anchors += event->data.mapping_start.anchor != NULL;
		shape->depth++;
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		shape->depth--;
		break;
	case YAML_SCALAR_EVENT:
		shape->anchors += event->data.scalar.anchor != NULL;
		break;
	default:
		break;
	}
	if (shape->depth > MAX_DEPTH)
		return error_set(err, "line %zu: nested too deeply", line);
	if (shape->anchors > MAX_ANCHORS)
		return error_set(err, "line %zu: too many anchors", line);
	return check_exclusion(event, shape, err);
}

static int check(yaml_parser_t *parser, ducc_error **err)
{
	struct shape shape = {0};

	for (;;) {
		yaml_event_t event;
		yaml_event_type_t type;
		int result;

		if (!yaml_parser_parse(parser, &event))
			return syntax_error(parser, err);
		type = event.type;
		result = check_event(&event, &shape, err);
		yaml_event_delete(&event);
		if (result < 0 || type == YAML_STREAM_END_EVENT)
			return result;
	}
}

static int read_document(yaml_parser_t *parser, struct recipe *recipe, ducc_error **err)
{
	struct reader reader = {.recipe = recipe};
	int result;

	if (!yaml_parser_load(parser, &reader.document))
		return syntax_error(parser, err);
	result = read_root(&reader, err);
	yaml_document_delete(&reader.document);
	return result;
}

static void start(yaml_parser_t *parser, const char *data, size_t len)
{
	if (!yaml_parser_initialize(parser))
		out_of_memory();
	yaml_parser_set_input_string(parser, (const unsigned char *)data, len);
}

int recipe_parse(struct recipe *recipe, const char *data, size_t len, ducc_error **err)
{
	yaml_parser_t parser;
	int result;

	*recipe = (struct recipe){.images = {NULL}};
	start(&parser, data, len);
	result = check(&parser, err);
	yaml_parser_delete(&parser);
	if (result < 0)
		return error_kind(err, DUCC_CORRUPT);
	start(&parser, data, len);
	result = read_document(&parser, recipe, err);
	yaml_parser_delete(&parser);
	if (result < 0) {
		struct recipe_texts unknown = recipe->unknown;

		recipe->unknown = (struct recipe_texts){NULL};
		recipe_free(recipe);
		recipe->unknown = unknown;
		error_kind(err, DUCC_CORRUPT);
	}
	return result;
}

static void texts_free(struct recipe_texts *texts)
{
	for (size_t i = 0; i < texts->n; i++)
		free(texts->items[i].text);
	free(texts->items);
}

void recipe_free(struct recipe *recipe)
{
	free(recipe->user.text);
	free(recipe->repository.text);
	free(recipe->output_format.text);
	texts_free(&recipe->images);
	texts_free(&recipe->unknown);
	*recipe = (struct recipe){.images = {NULL}};
}

/* Wish lists: see wish_list.h. */
#include "jobs/wish_list.h"

#include <errno.h>
#include <fcntl.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/text.h"
#include "format/reference.h"
#include "format/thin_name.h"
#include "format/url.h"
#include "net/endpoint.h"

/* In bytes. */
#define LIST_LIMIT ((size_t)4 << 20)
#define PLAIN_FILE_LIMIT                                                                           \
	((size_t)256 << 20) /* hook-publish writes lists of what was pushed, however many */

/* --- locations -------------------------------------------------------- */

static bool is_url(const char *where)
{
	return !strncasecmp(where, "http://", 7) || !strncasecmp(where, "https://", 8);
}

/* True for a URL of any scheme (RFC 3986, section 3.1): one that cannot be read can have secrets, too. */
static bool has_scheme(const char *where)
{
	const char *end = where;

	while (text_is_alnum(*end) || (*end && strchr("+-.", *end)))
		end++;
	return end > where && !strncmp(end, "://", 3);
}

static char *name_of(const char *where)
{
	if (!strcmp(where, "-"))
		return xstrdup("standard input");
	return has_scheme(where) ? url_hide_own_secrets(where) : xstrdup(where);
}

static int read_url(const char *url, struct network *network, struct buffer *data, ducc_error **err)
{
	struct endpoint anywhere = {.base = NULL}; /* without credentials */
	struct http *http = network_take(network);
	struct http_request request = {.url = url, .limit = LIST_LIMIT};
	struct http_response response = {0};
	struct subject subject = {.name = NULL};
	int result;

	subject_limit(&subject, http_deadline(http), HTTP_DEADLINE);
	context_set_subject(&subject);
	result = endpoint_request(&anywhere, http, &request, &response, NULL, err);
	context_set_subject(NULL);
	/* Of a list that is cut off, each image that is missing would count as unwanted. */
	if (!result)
		result = http_require_whole(&response, err);
	if (!result) {
		buffer_free(data);
		*data = response.body;
		response.body = (struct buffer){0};
	}
	http_response_free(&response);
	network_give(network, http);
	return result;
}

/* True for a name with a tag or digest, as few files have. */
static bool is_image(const char *where)
{
	AUTO_REFERENCE reference = {NULL};

	return strpbrk(where, ":@") && !reference_parse_pattern(&reference, where, NULL);
}

static size_t size_limit(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISREG(st.st_mode) ? PLAIN_FILE_LIMIT : LIST_LIMIT;
}

static int read_data(const char *where, const char *name, struct network *network,
		     struct buffer *data, ducc_error **err)
{
	AUTO_CLOSE int fd = -1;

	if (is_url(where))
		return read_url(where, network, data, err);
	if (!strcmp(where, "-"))
		return read_stream(STDIN_FILENO, LIST_LIMIT, data, err);
	fd = open(where, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && is_absence(errno) && is_image(where))
		return error_errno(err, errno,
				   "a list is expected, not an image (for one image: echo %s | "
				   "ducc-wish)",
				   where);
	return fd < 0 ? error_errno(err, errno, "%s", name)
		      : read_stream(fd, size_limit(fd), data, err);
}

/* --- content ---------------------------------------------------------- */

/*
 * Fails for text with a `!', which no image has in its name, that does not name images to exclude: some of
 * those that would be wanted without it may be excluded.
 */
static int check_exclusion(const struct wish *wish, const char *text, ducc_error **err)
{
	AUTO_REFERENCE reference = {NULL};
	ducc_error *error = NULL;

	if (!memchr(text, '!', strcspn(text, "\t")))
		return 0;
	if (!wish->record)
		error = error_copy(wish->error);
	else if (!reference_parse_pattern(&reference, ducc_record_reference(wish->record), &error))
		return 0;
	error_give(err, error);
	return error_wrap(err,
			  "line %u: nothing of the list is used, because it is unclear what to "
			  "exclude: %s",
			  wish->line, text);
}

/* Adds a wish; NULL: something that is not text. */
static int add(struct wish_list *list, unsigned line, const char *text, ducc_error **err)
{
	const char *whole = text;
	struct wish wish = {.line = line, .excludes = text && *text == '!'};

	if (wish.excludes) {
		text++;
		text += strspn(text, " \t");
	}
	if (text)
		wish.record = ducc_record_parse(text, &wish.error);
	else
		error_set(&wish.error, "not a string");
	GROW(list->wishes, list->n, list->capacity);
	list->wishes[list->n++] = wish;
	return whole ? check_exclusion(&wish, whole, err) : 0;
}

/* Removes surrounding white space and a comment from the line. */
static void trim(char **line)
{
	char *end;

	*line += strspn(*line, " \t");
	for (char *p = *line; *p; p++)
		if (*p == '#' && (p == *line || strchr(" \t", p[-1])))
			*p = '\0';
	end = *line + strlen(*line);
	while (end > *line && strchr(" \t\r", end[-1]))
		*--end = '\0';
}

/*
 * A recipe begins with a key; a line of a plain list has no colon at its end or before a
 * blank, and does not begin with any of YAML's other initial characters but `!`.
 */
static bool is_recipe(const char *data)
{
	while (*data) {
		AUTO_FREE char *line = xstrndup(data, strcspn(data, "\n"));
		char *text = line;

		trim(&text);
		if (*text)
			return strchr("\"'-%{?&\xef\xfe\xff", *text) || strstr(text, ": ") ||
			       strstr(text, ":\t") || text[strlen(text) - 1] == ':';
		data += strcspn(data, "\n");
		data += *data == '\n';
	}
	return false;
}

static int read_plain(struct wish_list *list, char *data, ducc_error **err)
{
	char *next = data;

	for (unsigned line = 1; next; line++) {
		char *text = strsep(&next, "\n");

		trim(&text);
		if (strchr(text, '\r'))
			return error_set(
				err,
				"line %u: a carriage return within the line (lines end with "
				"LF or CRLF)",
				line);
		if (*text && add(list, line, text, err) < 0)
			return -1;
	}
	return 0;
}

static void warn_of_keys(const struct wish_list *list, struct context *context,
			 const struct recipe_texts *unknown)
{
	for (size_t i = 0; i < unknown->n; i++)
		context_notice(context, DUCC_WARNING, "%s: line %u: unknown key %s", list->name,
			       unknown->items[i].line, unknown->items[i].text);
}

static int read_recipe(struct wish_list *list, struct context *context, const struct buffer *data,
		       ducc_error **err)
{
	AUTO_RECIPE recipe = {.images = {NULL}};
	int result;

	if (data->len > LIST_LIMIT)
		return error_set(err, "more than %zu bytes", LIST_LIMIT);
	result = recipe_parse(&recipe, data->data, data->len, err);
	warn_of_keys(list, context, &recipe.unknown);
	if (result < 0)
		return -1;
	if (recipe.output_format.text && thin_name_check(recipe.output_format.text, err) < 0)
		return error_wrap(err, "line %u: output_format", recipe.output_format.line);
	list->is_recipe = true;
	list->user = STEAL(recipe.user.text);
	list->repository = STEAL(recipe.repository.text);
	list->output_format = STEAL(recipe.output_format.text);
	for (size_t i = 0; i < recipe.images.n; i++) {
		const struct recipe_text *image = &recipe.images.items[i];

		if (add(list, image->line, image->text, err) < 0)
			return -1;
	}
	return 0;
}

static int read_list(struct wish_list *list, struct context *context, const struct buffer *data,
		     ducc_error **err)
{
	static const char mark[] = "\xef\xbb\xbf"; /* a byte order mark */
	char *text = data->data;

	if (!strncmp(text, mark, strlen(mark)))
		text += strlen(mark);
	if (is_recipe(text))
		return read_recipe(list, context, data, err);
	if (memchr(data->data, '\0', data->len))
		return error_set(err, "neither a recipe nor a list");
	return read_plain(list, text, err);
}

/* Removes all but the name. */
static void clear(struct wish_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		ducc_record_free(list->wishes[i].record);
		ducc_error_free(list->wishes[i].error);
	}
	free(list->wishes);
	free(list->user);
	free(list->repository);
	free(list->output_format);
	*list = (struct wish_list){.name = list->name};
}

int wish_list_read(struct wish_list *list, const char *where, struct network *network,
		   ducc_error **err)
{
	AUTO_BUFFER data = {0};
	int result;

	*list = (struct wish_list){.name = name_of(where)};
	buffer_adds(&data, "");
	result = read_data(where, list->name, network, &data, err);
	if (!result)
		result = read_list(list, network_context(network), &data, err);
	if (!result)
		return 0;
	clear(list);
	return error_wrap(err, "%s", list->name);
}

void wish_list_free(struct wish_list *list)
{
	clear(list);
	free(list->name);
	*list = (struct wish_list){.name = NULL};
}

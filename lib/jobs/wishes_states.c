/*
 * The states that ducc-convert keeps of sets of lists in a store, with their headers: see wishes.h, and
 * `Wishes' in ducc-store(5).
 */
#include <fcntl.h>

#include "base/buffer.h"
#include "base/file.h"
#include "base/text.h"
#include "jobs/wishes.h"

#define FIRST "# success="
#define LIST "# name="
#define REPOSITORY "# repository="
#define DIRECTORY "# directory="

struct state {
	char *data;
	char *records;                                  /* what follows the header */
	struct strset lists, repositories, directories; /* of the header */
	bool complete; /* all lists could be read, and all their lines */
	bool cut;      /* the header may have named more lists */
	size_t n;      /* images that are wanted in the place */
};

#define AUTO_STATE CLEANUP(state_free) struct state

/* The repository of which images are looked for. */
struct place {
	const char *name;
	char *path;  /* of a directory, or NULL */
	char *other; /* the last other name that was looked at, */
	bool same;   /* and whether it is the same repository */
};

/* What `readlink -m' prints: a path that need not exist, allocated; NULL if nothing is known of it. */
static char *resolve(const char *path)
{
	AUTO_FREE char *whole = xstrdup(path), *above = NULL, *real = NULL;
	size_t end = strlen(path);

	while (end > 1 && whole[end - 1] == '/')
		whole[--end] = '\0';
	above = xstrdup(whole);
	real = realpath(above, NULL);
	while (!real && end) {
		while (end && above[end - 1] == '/')
			end--;
		while (end && above[end - 1] != '/')
			end--;
		above[end] = '\0';
		real = realpath(end ? above : ".", NULL);
	}
	if (!real || !whole[end])
		return STEAL(real);
	return format("%s/%s", strcmp(real, "/") ? real : "", whole + end);
}

/* --- reading ---------------------------------------------------------- */

static void state_free(struct state *state)
{
	free(state->data);
	strset_free(&state->lists);
	strset_free(&state->repositories);
	strset_free(&state->directories);
}

static void add_value(struct strset *values, const char *line, const char *key)
{
	if (!strncmp(line, key, strlen(key)))
		strset_add(values, line + strlen(key));
}

/* Takes ownership of the data, which is `whole` if nothing is cut off. */
static void read_header(struct state *state, char *data, bool whole)
{
	char *end = data + strlen(data);

	*state = (struct state){.data = data, .records = data, .complete = true};
	while (state->records && *state->records == '#') {
		const char *line = strsep(&state->records, "\n");

		add_value(&state->lists, line, LIST);
		add_value(&state->repositories, line, REPOSITORY);
		add_value(&state->directories, line, REPOSITORY);
		add_value(&state->directories, line, DIRECTORY);
	}
	if (!state->records)
		state->records = end;
	state->cut = !whole && !*state->records;
}

bool wishes_know_repository(const char *store, const char *directory)
{
	AUTO_FREE char *path = resolve(directory);
	AUTO_WISH_FILES files = wish_files_open(store);

	while (path && wish_files_next(&files)) {
		AUTO_STATE state = {NULL};

		read_header(&state, STEAL(files.data), files.whole);
		if (strset_has(&state.repositories, path))
			return true;
	}
	return false;
}

/* --- the wishes of other lists ---------------------------------------- */

/* The lists that are known anew.  If that cannot be read, they are taken for others. */
static void read_own(struct state *state, const ducc_session *session)
{
	AUTO_CLOSE int fd = session->wishes ? open(session->wishes, O_RDONLY | O_CLOEXEC) : -1;
	struct buffer data = {0};

	if (fd < 0 || read_stream(fd, WISHES_LIMIT, &data, NULL) < 0)
		buffer_reset(&data);
	buffer_adds(&data, "");
	read_header(state, buffer_steal(&data), true);
}

/* True if all lists of the state are known anew. */
static bool is_replaced(const struct state *state, const struct state *own)
{
	if (state->cut)
		return false;
	for (size_t i = 0; i < state->lists.n; i++)
		if (!strset_has(&own->lists, state->lists.list[i]))
			return false;
	return state->lists.n > 0;
}

/*
 * True for the name of the place, or another one of the same directory.  Relative names were relative to
 * a directory that is unknown now.
 */
static bool is_same(struct place *place, const struct state *state, const char *repository)
{
	AUTO_FREE char *path = NULL;

	if (!strcmp(repository, place->name))
		return true;
	if (!place->path || !strchr(repository, '/'))
		return false;
	if (*repository != '/')
		return !state->directories.n || strset_has(&state->directories, place->path);
	if (!text_equal(repository, place->other)) {
		path = resolve(repository);
		place->same = text_equal(path, place->path);
		free(place->other);
		place->other = xstrdup(repository);
	}
	return place->same;
}

static struct wish *new_wish(const ducc_record *record)
{
	const char *lists = ducc_record_get(record, "list");
	struct wish *wish = xcalloc(1, sizeof(*wish));

	wish->reference = xstrdup(ducc_record_reference(record));
	wish->lists = xstrdup(lists ? lists : "");
	return wish;
}

static void add_image(struct wishes_of_others *others, const struct reference *reference,
		      const ducc_record *record)
{
	AUTO_FREE char *name = reference_name(reference);

	if (!strmap_get(&others->images, name))
		strmap_put(&others->images, name, new_wish(record));
}

/* Takes ownership of the reference. */
static void add_pattern(struct wishes_of_others *others, struct reference *reference,
			const ducc_record *record)
{
	GROW(others->patterns, others->n_patterns, others->capacity);
	others->patterns[others->n_patterns++] =
		(struct wish_pattern){*reference, new_wish(record)};
	*reference = (struct reference){NULL};
}

static int add_record(struct wishes_of_others *others, struct state *state, struct place *place,
		      const ducc_record *record, ducc_error **err)
{
	const char *repository = ducc_record_get(record, "repo");
	AUTO_REFERENCE reference = {NULL};

	if (!strcmp(ducc_record_reference(record), "?"))
		state->complete = false;
	if (!repository || !is_same(place, state, repository))
		return 0;
	if (reference_parse_pattern(&reference, ducc_record_reference(record), err) < 0)
		return -1;
	add_image(others, &reference, record);
	if (reference_is_pattern(&reference))
		add_pattern(others, &reference, record);
	state->n++;
	return 0;
}

static int add_records(struct wishes_of_others *others, struct state *state, struct place *place,
		       ducc_error **err)
{
	char *line;

	while ((line = strsep(&state->records, "\n"))) {
		ducc_record *record;
		int result;

		if (!*line || *line == '#')
			continue;
		record = ducc_record_parse(line, err);
		result = record ? add_record(others, state, place, record, err) : -1;
		ducc_record_free(record);
		if (result < 0)
			return -1;
	}
	return 0;
}

/* True if all names are words of a shell, which a message shows as they are. */
static bool are_words(const struct strset *names)
{
	for (size_t i = 0; i < names->n; i++)
		for (const char *c = names->list[i]; *c; c++)
			if (!text_is_alnum(*c) && !strchr("+,-./:=?@_", *c))
				return false;
	return names->n > 0;
}

/* How to forget the lists, which the caller frees. */
static char *advice(const struct state *state, const char *store, const char *file)
{
	struct buffer text = {0};

	if (!are_words(&state->lists) || state->cut)
		return format("rm %s/wishes/%s", store, file);
	buffer_adds(&text, "ducc-convert --forget");
	for (size_t i = 0; i < state->lists.n; i++)
		buffer_addf(&text, " %s", state->lists.list[i]);
	return buffer_steal(&text);
}

static int add_state(struct wishes_of_others *others, struct state *state, struct place *place,
		     const char *store, const char *file, bool whole, ducc_error **err)
{
	AUTO_FREE char *how = advice(state, store, file);
	ducc_error *error = NULL;

	if (!whole || strncmp(state->data, FIRST, strlen(FIRST)) != 0)
		error_set(&error, "not a state of ducc-convert");
	else
		add_records(others, state, place, &error);
	if (error) {
		error_give(err, error);
		return error_wrap(err,
				  "%s/wishes/%s is damaged (if its lists are still used, run "
				  "ducc-convert with them; if not: %s)",
				  store, file, how);
	}
	/* A list that wants nothing here, or that could never be read, protects nothing. */
	if (state->complete || !state->n)
		return 0;
	return error_set(err,
			 "another list could not be read, or not all of it, when ducc-convert "
			 "was last run with it (if it is no longer used: %s)",
			 how);
}

static int add_all(struct wishes_of_others *others, const struct state *own, struct place *place,
		   const char *store, ducc_error **err)
{
	AUTO_WISH_FILES files = wish_files_open(store);

	while (wish_files_next(&files)) {
		AUTO_STATE state = {NULL};

		read_header(&state, STEAL(files.data), files.whole);
		if (!is_replaced(&state, own) &&
		    add_state(others, &state, place, store, files.name, files.whole, err) < 0)
			return -1;
	}
	if (!files.error)
		return 0;
	error_give(err, STEAL(files.error));
	return error_wrap(err, "%s/wishes", store);
}

int wishes_read_others(struct wishes_of_others *others, const ducc_session *session,
		       const char *repository, ducc_error **err)
{
	struct place place = {.name = repository};
	AUTO_STATE own = {NULL};
	int result;

	if (strchr(repository, '/'))
		place.path = resolve(repository);
	read_own(&own, session);
	result = add_all(others, &own, &place, session->store_path, err);
	free(place.path);
	free(place.other);
	return result < 0 ? error_wrap(err, "nothing is removed or scheduled, because it is "
					    "unknown which images other lists want")
			  : 0;
}

const struct wish *wishes_find(const struct wishes_of_others *others, const char *name,
			       bool *expanded)
{
	const struct wish *wish = strmap_get(&others->images, name);

	*expanded = wish;
	for (size_t i = 0; !wish && i < others->n_patterns; i++)
		if (reference_matches(&others->patterns[i].reference, name))
			wish = others->patterns[i].wish;
	return wish;
}

void wishes_of_others_free(struct wishes_of_others *others)
{
	wishes_free(&others->images);
	for (size_t i = 0; i < others->n_patterns; i++) {
		reference_free(&others->patterns[i].reference);
		wish_free(others->patterns[i].wish);
	}
	free(others->patterns);
	*others = (struct wishes_of_others){.n_patterns = 0};
}

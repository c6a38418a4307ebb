/* What moves: see moves.h. */
#include "moves.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

#define BAR_COLUMNS 120 /* of a terminal on which there are bars */
#define DIGEST "sha256:"
#define DIGEST_SHOWN 12

struct thing {
	struct thing *next;
	char *what, *image;
	enum ducc_activity activity;
	uint64_t done, total;
	double since; /* when it began to move */
};

/* The newest is the last. */
struct things {
	struct thing *first;
};

/* At some time so many bytes had moved. */
struct sample {
	double time;
	uint64_t moved;
};
#define SAMPLES 20
#define SAMPLE_INTERVAL 0.5

static struct {
	struct things waiting, moving;
	size_t layers;  /* that have ended */
	uint64_t bytes; /* of these */
	uint64_t moved; /* by this program */
	double start;   /* of the first sample */
	struct sample samples[SAMPLES];
	size_t n_samples;
	size_t images, working, following;
	bool more; /* images may follow */
} state;

/* A report without an image may be about that of an earlier one. */
static bool is_about(const struct ducc_progress *report, const struct thing *thing)
{
	return thing->activity == report->activity && tool_same(thing->what, report->what) &&
	       (!report->image || !thing->image || !strcmp(thing->image, report->image));
}

/* The link to the thing; a link to NULL if it is not in the list. */
static struct thing **find(struct things *things, const struct ducc_progress *report)
{
	struct thing **link = &things->first;

	while (*link && !is_about(report, *link))
		link = &(*link)->next;
	return link;
}

/* Takes the thing out of the lists, or makes it. */
static struct thing *take(const struct ducc_progress *report)
{
	struct thing **link = find(&state.moving, report), *thing;

	if (!*link)
		link = find(&state.waiting, report);
	thing = *link;
	if (thing) {
		*link = thing->next;
		thing->next = NULL;
		return thing;
	}
	thing = tool_allocated(calloc(1, sizeof(*thing)));
	thing->what = tool_allocated(strdup(report->what));
	thing->image = report->image ? tool_allocated(strdup(report->image)) : NULL;
	thing->activity = report->activity;
	return thing;
}

static void put(struct things *things, struct thing *thing)
{
	struct thing **link = &things->first;

	while (*link)
		link = &(*link)->next;
	*link = thing;
}

static void drop(struct thing *thing)
{
	free(thing->what);
	free(thing->image);
	free(thing);
}

static void end(struct thing *thing)
{
	state.layers += thing->total > 0;
	state.bytes += thing->done;
	drop(thing);
}

static void end_all(struct things *things)
{
	while (things->first) {
		struct thing *thing = things->first;

		things->first = thing->next;
		end(thing);
	}
}

static void move(struct thing *thing, uint64_t done)
{
	if (done <= thing->done)
		return;
	state.moved += done - thing->done;
	thing->done = done;
}

void moves_report(const struct ducc_progress *report, double time)
{
	struct thing *thing = report->state == DUCC_MOVING ? *find(&state.moving, report) : NULL;

	if (thing) {
		move(thing, report->done);
		return;
	}
	thing = take(report);
	if (report->state == DUCC_ENDED) {
		end(thing);
		return;
	}
	thing->total = report->total;
	thing->done = report->done;
	thing->since = time;
	put(report->state == DUCC_MOVING ? &state.moving : &state.waiting, thing);
}

void moves_begin_images(size_t n)
{
	state.working += n;
}

void moves_end_image(void)
{
	state.images++;
	if (state.working && !--state.working)
		moves_end();
}

void moves_follow(size_t n, bool more)
{
	state.following = n;
	state.more = more;
}

bool moves_any(void)
{
	return state.working || state.moving.first;
}

void moves_end(void)
{
	end_all(&state.waiting);
	end_all(&state.moving);
}

/* --- the line for the whole --------------------------------------------- */

static char *text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static char *text(const char *fmt, ...)
{
	char *result = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&result, fmt, args) < 0)
		result = NULL;
	va_end(args);
	return tool_allocated(result);
}

void moves_sample(double time)
{
	const struct sample *last = &state.samples[(state.n_samples + SAMPLES - 1) % SAMPLES];

	if (state.n_samples && time - last->time < SAMPLE_INTERVAL)
		return;
	if (!state.n_samples)
		state.start = time;
	state.samples[state.n_samples++ % SAMPLES] = (struct sample){time, state.moved};
}

/* Bytes per second, in the last few seconds. */
static double rate(double time)
{
	size_t oldest = state.n_samples > SAMPLES ? state.n_samples % SAMPLES : 0;
	const struct sample *from = &state.samples[oldest];

	if (!state.n_samples || time - from->time < SAMPLE_INTERVAL)
		return 0;
	return (double)(state.moved - from->moved) / (time - from->time);
}

struct sum {
	size_t n;
	uint64_t done, total;
};

static void add(struct sum *sum, const struct things *things)
{
	for (const struct thing *thing = things->first; thing; thing = thing->next) {
		sum->n += thing->total > 0;
		sum->done += thing->done;
		sum->total += thing->total > thing->done ? thing->total : thing->done;
	}
}

/* The unit in which a size is shown: MB, or a larger one. */
static double unit(uint64_t size, const char **name)
{
	static const char *const names[] = {"MB", "GB", "TB"};
	double bytes = 1e6;
	size_t i = 0;

	for (; i + 1 < sizeof(names) / sizeof(names[0]) && (double)size >= bytes * 1000; i++)
		bytes *= 1000;
	*name = names[i];
	return bytes;
}

/*
 * Seconds until all images are done; 0: unknown.  The bytes of those that follow are unknown: they
 * take as long as the others have taken.
 */
static double left(const struct sum *sum, double time)
{
	double speed = rate(time);

	if (state.more || speed <= 0 || (state.following && !state.images))
		return 0;
	return (double)(sum->total - sum->done) / speed +
	       (state.following
			? (time - state.start) * (double)state.following / (double)state.images
			: 0);
}

static char *duration(double seconds)
{
	unsigned long n = (unsigned long)seconds;

	return n < 3600 ? text(", %lu:%02lu left", n / 60, n % 60)
			: text(", %lu:%02lu:%02lu left", n / 3600, n / 60 % 60, n % 60);
}

enum part { IMAGES, LAYERS, BYTES, RATE, LEFT, N_PARTS };

static void make_parts(char *parts[N_PARTS], double time)
{
	struct sum sum = {state.layers, state.bytes, state.bytes};
	size_t known = state.images + state.working + state.following;
	double speed = rate(time), seconds, divisor;
	const char *name;

	add(&sum, &state.waiting);
	add(&sum, &state.moving);
	divisor = unit(sum.total, &name);
	seconds = left(&sum, time);
	parts[IMAGES] = text("%zu of %zu%s image%s", state.images, known, state.more ? "+" : "",
			     known == 1 && !state.more ? "" : "s");
	if (sum.n)
		parts[LAYERS] =
			text(", %zu of %zu layer%s", state.layers, sum.n, sum.n == 1 ? "" : "s");
	if (sum.total)
		parts[BYTES] = text(", %.1f of %.1f %s", (double)sum.done / divisor,
				    (double)sum.total / divisor, name);
	if (speed > 0)
		parts[RATE] = text(", %.1f MB/s", speed / 1e6);
	if (seconds >= 1)
		parts[LEFT] = duration(seconds);
}

/* What does not fit is left out: first the rate, then layers and so on. */
char *moves_summary(const char *tool, int columns, double time)
{
	static const enum part order[] = {RATE, LAYERS, LEFT, BYTES};
	char *parts[N_PARTS] = {NULL}, *line = NULL;
	size_t dropped = 0;

	make_parts(parts, time);
	for (;;) {
		line = text("%s: %s%s%s%s%s", tool, parts[IMAGES],
			    parts[LAYERS] ? parts[LAYERS] : "", parts[BYTES] ? parts[BYTES] : "",
			    parts[RATE] ? parts[RATE] : "", parts[LEFT] ? parts[LEFT] : "");
		if ((int)strlen(line) <= columns || dropped == sizeof(order) / sizeof(order[0]))
			break;
		free(line);
		free(parts[order[dropped]]);
		parts[order[dropped++]] = NULL;
	}
	for (size_t i = 0; i < N_PARTS; i++)
		free(parts[i]);
	return line;
}

/* --- a line for a thing ------------------------------------------------- */

/* The end of a name, which says most, in so many columns. */
static char *tail(const char *name, int columns)
{
	char *all = ducc_printable(name), *result;
	size_t len = strlen(all), most = columns > 0 ? (size_t)columns : 0;
	const char *from = all + len;

	if (len <= most)
		return all;
	if (most > 3)
		from -= most - 3;
	while ((*from & 0xc0) == 0x80) /* not in the middle of a character */
		from++;
	result = text("%s%s", most > 3 ? "..." : "", from);
	free(all);
	return result;
}

/* The beginning of a name, in so many columns. */
static char *head(const char *name, int columns)
{
	int len = columns - 3;

	while (len > 0 &&
	       ((unsigned char)name[len] & 0xc0) == 0x80) /* in the middle of a character */
		len--;
	return text("%.*s%s", len > 0 ? len : 0, name, len > 0 ? "..." : "");
}

/*
 * The name of an image, without scheme and digest.  What does not fit is left out: first the
 * registry, then directories, and the end of the tag last.
 */
static char *short_name(const char *reference, int columns)
{
	const char *scheme = strstr(reference, "://"), *from = scheme ? scheme + 3 : reference;
	const char *digest = strstr(from, "@" DIGEST), *slash;
	int len = digest ? (int)(digest - from) : (int)strlen(from);
	char *whole = text("%.*s", len, from), *name = ducc_printable(whole), *result = NULL;
	const char *rest = name;

	if ((int)strlen(name) <= columns)
		result = text("%s", name);
	while (!result && (slash = strchr(rest, '/'))) {
		rest = slash + 1;
		if ((int)strlen(slash) + 3 <= columns)
			result = text("...%s", slash);
	}
	if (!result)
		result = head(rest, columns);
	free(whole);
	free(name);
	return result;
}

/* Two blanks and a bar; nothing on a narrow terminal. */
static char *bar(const struct thing *thing, int columns)
{
	int width = columns / 5,
	    full = (int)((double)width * (double)thing->done / (double)thing->total);
	char *result;

	if (columns < BAR_COLUMNS)
		return text("%s", "");
	if (full > width)
		full = width;
	result = text("  [%*s]", width, "");
	memset(result + 3, '=', (size_t)full);
	return result;
}

static char *describe(const struct thing *thing, int columns, double time)
{
	static const char *const activities[] = {"fetching", "unpacking", "extracting",
						 "publishing", "committing"};
	const char *name;
	double divisor = unit(thing->total, &name);
	size_t prefix = strlen(DIGEST);
	bool is_digest = !strncmp(thing->what, DIGEST, prefix);
	char *what, *graph, *result, *image;

	if (!thing->total) {
		what = tail(thing->what, columns / 2);
		result = text("  %-10s %s  %.0f s", activities[thing->activity], what,
			      time - thing->since);
		free(what);
		return result;
	}
	graph = bar(thing, columns);
	result = text("  %-10s %.*s  %3d %%  %5.1f of %5.1f %s%s", activities[thing->activity],
		      DIGEST_SHOWN, thing->what + (is_digest ? prefix : 0),
		      (int)((double)thing->done * 100 / (double)thing->total),
		      (double)thing->done / divisor, (double)thing->total / divisor, name, graph);
	free(graph);
	if (!thing->image)
		return result;
	what = result;
	image = short_name(thing->image, columns - (int)strlen(what) - 2);
	result = text("%s  %s", what, image);
	free(what);
	free(image);
	return result;
}

char *moves_line(size_t i, int columns, double time)
{
	const struct thing *thing = state.moving.first;

	while (thing && i--)
		thing = thing->next;
	return thing ? describe(thing, columns, time) : NULL;
}

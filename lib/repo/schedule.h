/*
 * The removal schedule of a repository, .metadata/remove-schedule.json (ducc-repository(5)):
 * unwanted names and trees, and the time since which they have been unwanted.
 */
#ifndef DUCC_SCHEDULE_H
#define DUCC_SCHEDULE_H

#include <time.h>

#include "repo/repository.h"

struct scheduled {
	char *path; /* a public name, or the directory of a flat tree or layer */
	time_t since;
	bool removing; /* marked: its removal has begun */
};

struct schedule {
	struct scheduled *entries; /* sorted by path */
	size_t n, capacity;
};

/*
 * Reads the schedule; one that does not exist is empty.  Returns 1, with an empty schedule,
 * if the file is not ours (the original ducc's, or damaged).
 */
int schedule_read(struct schedule *schedule, const struct repository *repository, ducc_error **err);
void schedule_free(struct schedule *schedule);

void schedule_add(struct schedule *schedule, const char *path, time_t since, bool removing);
void schedule_sort(struct schedule *schedule);

/* True if an entry is nonsense: unwanted since a time that is more than a day in the future. */
bool schedule_is_future(const struct scheduled *scheduled, time_t now);

/* Drops the entries for which stale() returns true. */
void schedule_drop(struct schedule *schedule,
		   bool (*stale)(void *ctx, const struct scheduled *scheduled), void *ctx);

/* Drops the entry for a path; false if there is none. */
bool schedule_take(struct schedule *schedule, const char *path);

/* The entry for a path, or NULL. */
const struct scheduled *schedule_find(const struct schedule *schedule, const char *path);

/*
 * The schedule as JSON, which the caller frees; NULL with *err set if a path in it is not
 * clean (path.h).
 */
char *schedule_print(const struct schedule *schedule, ducc_error **err);

/* Parses the output of schedule_print(); false, with an empty schedule, for other text. */
bool schedule_parse(struct schedule *schedule, const char *data, size_t len);

#endif

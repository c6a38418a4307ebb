/*
 * What is to be removed from a repository, and since when nobody wants it:
 * .metadata/remove-schedule.json (ducc-repository(5)).
 */
#ifndef DUCC_SCHEDULE_H
#define DUCC_SCHEDULE_H

#include <time.h>

#include "repo/repository.h"

struct scheduled {
	char *path; /* a public name, or the directory of a flat tree or layer */
	time_t since;
	bool removing; /* its removal has begun: it is no longer listed */
};

struct schedule {
	struct scheduled *entries; /* sorted by path */
	size_t n, capacity;
};

/*
 * Reads the schedule; one that is not there is empty.  Returns 1 if there is a file, but
 * not one of ours (the original ducc's, or damaged): it is empty then, too.
 */
int schedule_read(struct schedule *schedule, const struct repository *repository, ducc_error **err);
void schedule_free(struct schedule *schedule);

void schedule_add(struct schedule *schedule, const char *path, time_t since, bool removing);
void schedule_sort(struct schedule *schedule);

/* Drops the entries that stale() tells of. */
void schedule_drop(struct schedule *schedule,
		   bool (*stale)(void *ctx, const struct scheduled *scheduled), void *ctx);

/* Drops the entry for a path; false if there is none. */
bool schedule_take(struct schedule *schedule, const char *path);

/* The entry for a path, or NULL. */
const struct scheduled *schedule_find(const struct schedule *schedule, const char *path);

/*
 * The schedule as JSON, which the caller frees; NULL with *err set if a path of it is not
 * clean (path.h).
 */
char *schedule_print(const struct schedule *schedule, ducc_error **err);

/* Reads a text of schedule_print(); false, and the schedule empty, if it is none. */
bool schedule_parse(struct schedule *schedule, const char *data, size_t len);

#endif

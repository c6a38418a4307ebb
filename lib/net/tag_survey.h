/*
 * Listing the tags of many repositories, in parallel across registries, but with one
 * request at a time to each registry, and each repository listed only once.
 */
#ifndef DUCC_TAG_SURVEY_H
#define DUCC_TAG_SURVEY_H

#include "base/strmap.h"
#include "format/reference.h"
#include "net/network.h"

struct tagset {
	struct reference repository; /* without tag and digest */
	struct strset tags;          /* in the order of their bytes */
	ducc_error *error;           /* why the list is missing */
	bool done;                   /* requested, with or without success */
	size_t number;               /* in the order of survey_add() */
};

/* `struct survey survey = {0}` is empty. */
struct survey {
	struct tagset **lists;
	size_t n, capacity;
	struct strmap known; /* the same, by SCHEME://REGISTRY/REPOSITORY */
};

/* The existing or new list of the reference's repository; owned by the survey. */
struct tagset *survey_add(struct survey *survey, const struct reference *reference);

/*
 * Fetches all lists, `jobs` registries at a time.  Calls ready() after each, serialised,
 * until it returns false.  A list that takes longer than http_deadline() fails, and a registry that
 * takes too long to fail is skipped from then on.
 */
void survey_run(struct survey *survey, struct network *network, unsigned jobs,
		bool (*ready)(void *ctx), void *ctx);

void survey_free(struct survey *survey);

#endif

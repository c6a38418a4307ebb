/*
 * A survey of the tags of many repositories, in parallel over registries, but
 * politely: one request at a time to each registry, and one list of each repository,
 * whoever needs it.
 */
#ifndef DUCC_TAG_SURVEY_H
#define DUCC_TAG_SURVEY_H

#include "base/strmap.h"
#include "format/reference.h"
#include "net/network.h"

struct tagset {
	struct reference repository; /* without tag and digest */
	struct strset tags;          /* as the registry has them */
	ducc_error *error;           /* why there are none */
	bool done;                   /* asked, with or without success */
	size_t number;               /* in the order of survey_add() */
};

/* `struct survey survey = {0}` is one of nothing. */
struct survey {
	struct tagset **lists;
	size_t n, capacity;
	struct strmap known; /* the same, by SCHEME://REGISTRY/REPOSITORY */
};

/* The list of the reference's repository, new or not; it belongs to the survey. */
struct tagset *survey_add(struct survey *survey, const struct reference *reference);

/*
 * Asks the network for all of them, `jobs` registries at a time.  Calls ready() after each, never
 * two at once, until it returns false.  A registry that keeps us waiting in vain is not asked any more.
 */
void survey_run(struct survey *survey, struct network *network, unsigned jobs,
		bool (*ready)(void *ctx), void *ctx);

void survey_free(struct survey *survey);

#endif

/*
 * Fetching an image: what the parts of the job of ducc-fetch share.
 */
#ifndef DUCC_FETCH_H
#define DUCC_FETCH_H

#include <stdatomic.h>

#include "base/strset.h"
#include "jobs/events.h"
#include "jobs/resolve.h"
#include "jobs/session.h"
#include "jobs/stored_image.h"
#include "repo/repository.h"
#include "source/source.h"

struct fetch {
	ducc_session *session;
	struct subject subject; /* the image */
	struct span span;
	struct source source;
	struct store store;           /* fd -1: a dry run, and there is none */
	struct repository repository; /* path NULL: none, or it does not exist yet */
	struct resolution resolution;
	struct stored_image image;

	size_t *wanted; /* layers to download, as numbers in the manifest */
	size_t n_wanted;
	struct strset damaged; /* published layers, in hex, to be published again */
	atomic_bool refused;   /* the config could not be fetched, or cannot be used */
};

/* The platform of -p or the record, or NULL. */
const char *fetch_wanted_platform(const struct fetch *fetch, const ducc_record *record);

/* Decides for which platform the image is: an index that chose it knows better than its config. */
int fetch_check_platform(struct fetch *fetch, const ducc_record *record, ducc_error **err);

/* Lists the layers that neither the store nor the repository has, each once. */
int fetch_choose_layers(struct fetch *fetch, const ducc_record *record, ducc_error **err);

/* Gets and reads the config. */
int fetch_config(struct fetch *fetch, ducc_error **err);

/* Fetches the layers, several in parallel, and beside them the config, if there is none yet. */
int fetch_parts(struct fetch *fetch, ducc_error **err);

#endif

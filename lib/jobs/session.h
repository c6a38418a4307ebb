/*
 * A session: the options that all jobs share (struct ducc_options), checked and
 * completed, and the way to the caller's callbacks.
 */
#ifndef DUCC_SESSION_H
#define DUCC_SESSION_H

#include <pthread.h>

#include "base/context.h"
#include "base/error.h"
#include "base/strmap.h"
#include "net/network.h"
#include "store/store.h"

struct ducc_session {
	char *store_path;
	char *repository; /* NULL: the record says */
	char *platform;   /* NULL: the record says */
	unsigned jobs;    /* 0: the job decides */
	struct ducc_limits limits;
	uint64_t batch_bytes;
	bool dry_run, foreign;
	struct context context;
	struct events *events; /* NULL: nobody listens */
	struct strmap
		pushed; /* blobs, "REGISTRY HEX": a repository that has it since we pushed it */
	pthread_mutex_t pushed_mutex;
	struct network *network;
	struct store_index *index;
	bool swept; /* the store's tmp/ */
	int input;  /* a copy of an archive on standard input, or -1 */
};

/*
 * Copies options of the caller's, which begin with their size, into a structure of `size`
 * bytes: what the caller does not know of is zero.  Refuses what we do not know of, unless
 * it is zero.
 */
int options_take(void *to, size_t size, const void *from, ducc_error **err);

/*
 * Reads the record's reference and finds its image manifest: the digest if it is
 * pinned, and was fetched under this name; otherwise what the store lists under it.
 */
int session_find_image(ducc_session *session, const struct store *store, const ducc_record *record,
		       struct reference *reference, struct digest *manifest, ducc_error **err);

/* Remembers a blob that was pushed (or found) there. */
void session_add_pushed(ducc_session *session, const struct reference *where,
			const struct digest *digest);

/* The repository of the registry that has it, or NULL; lives as long as the session. */
const char *session_pushed(ducc_session *session, const char *registry,
			   const struct digest *digest);

#endif

/*
 * A session: the options that all jobs share (struct ducc_options), checked and
 * completed, and the way to the caller's callbacks.
 */
#ifndef DUCC_SESSION_H
#define DUCC_SESSION_H

#include <pthread.h>

#include "error.h"
#include "network.h"
#include "store.h"

/* A blob that is in a repository of a registry since we have pushed it there. */
struct pushed {
	struct digest digest;
	char *registry, *repository;
};

struct ducc_session {
	char *store_path;
	char *repository; /* NULL: the record says */
	char *platform;   /* NULL: the record says */
	unsigned jobs;    /* 0: the job decides */
	struct ducc_limits limits;
	uint64_t batch_bytes;
	unsigned wait; /* seconds */
	bool dry_run, foreign;
	void (*notice)(void *ctx, enum ducc_level level, const char *text);
	void (*progress)(void *ctx, const struct ducc_progress *progress);
	bool (*cancelled)(void *ctx);
	void *ctx;
	pthread_mutex_t callbacks; /* one at a time */
	struct events *events;     /* NULL: nobody listens */
	struct pushed *pushed;
	size_t n_pushed, pushed_capacity;
	pthread_mutex_t pushed_mutex;
	struct network *network;
	struct store_index *index;
	bool swept; /* the store's tmp/ */
	int input;  /* a copy of an archive on standard input, or -1 */
};

void session_notice(ducc_session *session, enum ducc_level level, const char *fmt, ...)
	PRINTF(3, 4);
void session_progress(ducc_session *session, const char *what, uint64_t done, uint64_t total);

/* True if the caller wants the job to be given up. */
bool session_cancelled(ducc_session *session);

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

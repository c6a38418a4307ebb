/*
 * A session: the options that all jobs share (struct ducc_options), checked and completed
 * with defaults, and the context, which calls the caller's callbacks.
 */
#ifndef DUCC_SESSION_H
#define DUCC_SESSION_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/claims.h"
#include "base/context.h"
#include "base/error.h"
#include "base/gate.h"
#include "base/slots.h"
#include "base/strmap.h"
#include "net/network.h"
#include "store/store.h"

struct ducc_session {
	char *store_path;
	char *repository; /* NULL: from the record */
	char *platform;   /* NULL: from the record */
	char *wishes;     /* a file with records of wanted images, or NULL */
	unsigned jobs;    /* 0: default of the job */
	struct ducc_limits limits;
	uint64_t batch_bytes, chunk_bytes;
	bool split, again;
	bool dry_run, foreign;
	struct context context;
	struct events *events; /* NULL: no event file */
	pthread_mutex_t mutex; /* for pushed, swept and local */
	struct strmap pushed;  /* pushed blobs: "REGISTRY HEX" to a repository that has the blob */
	struct strset local;   /* URLs of directories that a warning has named */
	struct gate gate;      /* for what threads do at the same time: see fetch.c and unpack.c */
	struct slots slots;    /* as many as jobs, for work that keeps a processor busy */
	struct claims claims;  /* of layers: see unpack.c */
	atomic_uint begun;     /* images that were begun to be unpacked */
	_Atomic uint64_t kept; /* bytes of trees of layers in memory */
	atomic_bool kept_one;  /* ... and one beyond the limit */
	struct network *network;
	struct store_index *index;
	struct strset repaired; /* "HEX REPOSITORY", trees that were published again */
	atomic_bool store_made; /* the store has all its files and directories */
	bool swept;             /* the store's tmp/ has been swept */
	bool confined;
	int input; /* a copy of an archive on standard input, or -1 */
};

/*
 * Copies the caller's options, which begin with their size, into a structure of `size`
 * bytes: members beyond the caller's size are zero.  Rejects members beyond our own size
 * unless they are zero.
 */
int options_take(void *to, size_t size, const void *from, ducc_error **err);

/*
 * Opens the store of the session: returns 1, 0 if it does not exist, or -1.  With `create`,
 * creates it or what it lacks, the first time and except in a dry run.  Damaged files are reported, and removed, except in a dry run.
 */
int session_open_store(ducc_session *session, struct store *store, bool create, ducc_error **err);
/* The same for a store that must exist: returns 0, or -1. */
int session_need_store(ducc_session *session, struct store *store, ducc_error **err);

/* Sweeps the store (store_sweep()), once in a session, before the caller writes to it. */
void session_sweep(ducc_session *session, struct store *store);

/* From now on, the image that is the subject may take as long as the session allows. */
void session_limit(const ducc_session *session, struct subject *subject);

/* For an error of a job that writes to the store: if it is full, adds how to free space. */
void session_advise(const ducc_session *session, ducc_error **err);

/* Sets the error of a job for which neither session nor record names a repository; returns -1. */
int session_no_repository(ducc_error **err);

/*
 * Parses the record's reference and finds its image manifest: the digest if it is pinned,
 * and was fetched under this name; otherwise the entry of the store's index for the name.
 */
int session_find_image(ducc_session *session, const struct store *store, const ducc_record *record,
		       struct reference *reference, struct digest *manifest, ducc_error **err);

/* Remembers a blob that was pushed to (or found in) this repository of a registry. */
void session_add_pushed(ducc_session *session, const struct reference *where,
			const struct digest *digest);

/* A repository of the registry that has the blob, or NULL; valid as long as the session. */
const char *session_pushed(ducc_session *session, const char *registry,
			   const struct digest *digest);

#endif

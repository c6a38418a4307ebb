/*
 * libducc: container images, unpacked and published file by file.
 *
 * The library does the work of the ducc tools: it fetches an image into a store, unpacks it
 * there, and publishes it in a repository.  See ducc(7) for the concepts, ducc-store(5) and
 * ducc-repository(5) for what is on disk.
 *
 * Errors are values.  A function that can fail takes a last argument `ducc_error **err`,
 * returns a negative number or NULL on failure, and then sets *err (unless err is NULL) to
 * an error that the caller releases with ducc_error_free().  *err must be NULL before the
 * call.
 *
 * The library never exits and never prints; notices and progress go through the callbacks of
 * struct ducc_options.  It expects SIGPIPE and SIGXFSZ to be ignored by a caller who would
 * rather see EPIPE and EFBIG, and SIGCHLD not to be: it waits for the programs that it
 * starts.  When memory is exhausted it aborts; sizes that come from outside are bounded
 * before anything is allocated for them.
 *
 * Threads: a session, record or error must not be used by two threads at the same time.
 * Different sessions are independent, also on the same store and repository, which are
 * locked where needed.  Callbacks may come from threads that the library has started, but
 * never two at once for one session; they must not call functions on that session.  The
 * library keeps no global state that could be seen, but it reads the environment, which
 * must not be changed while one of its functions runs.
 *
 * The environment, read where no option is given:
 *   DUCC_STORE, XDG_CACHE_HOME, HOME   the store
 *   DUCC_REPO, DUCC_NOTIFY             the repository, and the file for events
 *   DUCC_AUTH_REGISTRIES and DUCC_NAME_IDENT, _USER, _PASS, _PROXY
 *   DUCC_OUTPUT_REGISTRY_USER, DUCC_OUTPUT_REGISTRY_PASS
 *   REGISTRY_AUTH_FILE, XDG_RUNTIME_DIR, DOCKER_CONFIG, HOME   credentials
 *   CONTAINERS_REGISTRIES_CONF, XDG_CONFIG_HOME, HOME          mirrors and certificates
 *   SSL_CERT_FILE, and the proxy variables of libcurl
 *   DUCC_TIMEOUT                       seconds without progress that end a transfer
 *   PATH                               for cvmfs_server and credential helpers
 *   TMPDIR                             for archives that are read from a pipe
 *   DUCC_CLOCK, DUCC_SYSROOT           for tests: the time, and a directory in place of /
 *
 * Strings are NUL-terminated byte strings; they are not expected to be UTF-8.
 *
 * Structures with options begin with their size, which the caller sets:
 *   struct ducc_options options = {.size = sizeof(options), .store = "/srv/ducc"};
 * so that a library which knows further options takes them as zero, the default.
 */
#ifndef DUCC_H
#define DUCC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DUCC_VERSION "0.2"

#if defined(__GNUC__)
#define DUCC_PUBLIC __attribute__((visibility("default")))
#else
#define DUCC_PUBLIC
#endif

/* --- errors ----------------------------------------------------------- */

typedef struct ducc_error ducc_error;

/*
 * One line of text, outermost context first: "layer sha256:ab...: usr/bin/x:
 * truncated gzip".  It can be printed as it is (ducc_printable()), and is at most some
 * 2,000 bytes long.  Lives as long as the error.
 */
DUCC_PUBLIC const char *ducc_error_message(const ducc_error *err);

/* What a program can do something about.  More kinds may be added. */
enum ducc_error_kind {
	DUCC_OTHER,
	DUCC_NOT_FOUND, /* an image, file, tag, store or repository that does not exist */
	DUCC_DENIED,    /* by a registry, or by the permissions of a file */
	DUCC_TRANSIENT, /* a network or registry failed; later attempts may succeed */
	DUCC_CORRUPT,   /* data is damaged, does not have its digest, or breaks its format */
	DUCC_BUSY,      /* others held a repository for longer than the caller would wait */
	DUCC_CANCELLED, /* by the callback */
	DUCC_NO_SPACE,  /* a file system or quota is full */
	DUCC_USAGE,     /* an option, reference or record that is invalid or missing */
	DUCC_LIMIT,     /* an image exceeds a limit (struct ducc_limits) */
	DUCC_SYSTEM,    /* a system call failed for another reason */
};

/* The kind of the first cause. */
DUCC_PUBLIC enum ducc_error_kind ducc_error_kind(const ducc_error *err);

/* Releases an error; NULL is allowed. */
DUCC_PUBLIC void ducc_error_free(ducc_error *err);

/*
 * Text as one line that cannot steer a terminal, whatever a name or a registry's words
 * hold: control characters, those of Unicode too, and bytes that are not UTF-8 become
 * \ooo.  The caller frees it.  The messages of errors have been through this already.
 */
DUCC_PUBLIC char *ducc_printable(const char *text);

/* --- records ---------------------------------------------------------- */

/*
 * One image on its way through a pipeline: a reference and key=value fields,
 * separated by tabs.  Keys are printable ASCII, and each is there once; neither
 * reference nor values hold control characters.  So a record is always one line,
 * and means the same when it is read again.  Unknown keys are kept, in their order.
 */
typedef struct ducc_record ducc_record;

/*
 * Parses one line (without its newline).  Of the reference, only its characters are
 * checked yet.  Returns a record to be released with ducc_record_free(), or NULL with
 * *err set if the line is not one.
 */
DUCC_PUBLIC ducc_record *ducc_record_parse(const char *line, ducc_error **err);

/* A record with that reference and no fields; NULL with *err set if it cannot be one. */
DUCC_PUBLIC ducc_record *ducc_record_new(const char *reference, ducc_error **err);

DUCC_PUBLIC ducc_record *ducc_record_copy(const ducc_record *record);

DUCC_PUBLIC void ducc_record_free(ducc_record *record);

/* The reference, as it stands in the first field. */
DUCC_PUBLIC const char *ducc_record_reference(const ducc_record *record);

/* The value of the first field called `key`, or NULL. */
DUCC_PUBLIC const char *ducc_record_get(const ducc_record *record, const char *key);

/*
 * Field number i, from 0, in the order of the line; false if there are not so many.  Key and
 * value live until the record is changed or freed.
 */
DUCC_PUBLIC bool ducc_record_field(const ducc_record *record, size_t i, const char **key,
				   const char **value);

/*
 * Sets a field in its place, or appends it.  Returns 0, or -1 with *err set, and the
 * record unchanged, if key or value cannot stand in a record.
 */
DUCC_PUBLIC int ducc_record_set(ducc_record *record, const char *key, const char *value,
				ducc_error **err);

/* The record as one line without newline; the caller frees it with free(). */
DUCC_PUBLIC char *ducc_record_format(const ducc_record *record);

/* --- a session: options shared by all jobs ---------------------------- */

enum ducc_level {
	DUCC_WARNING, /* the user should know: something was left out or differs */
	DUCC_INFO,    /* what was done, one line per step (-v) */
	DUCC_DEBUG,   /* how it was done (-v -v) */
};

/*
 * What moves now: `done` of `total` bytes (total 0: unknown) of `what`, a
 * layer digest or an image reference.
 */
struct ducc_progress {
	const char *what;
	uint64_t done;
	uint64_t total;
};

/*
 * Limits on an image to unpack.  An image that exceeds one is refused with an error that
 * names it.  Zero is the default for every member.  "Compressed" is the size of the blobs in
 * bytes, each counted once.
 */
struct ducc_limits {
	size_t size; /* sizeof(struct ducc_limits) */
	/* Bytes that one layer expands to; 0: 200 x compressed, at least 1 GiB. */
	uint64_t layer;
	/* Bytes that all new layers expand to; 0: 200 x compressed, at least 4 GiB. */
	uint64_t image;
	/*
	 * Bytes of the listing of one layer; 0: 100 x compressed, at least 16 MiB.  And of
	 * the listings of all layers, each counted as often as the layer occurs in the
	 * image; 0: 100 x compressed, at least 32 MiB.
	 */
	uint64_t listing;
	/* Entries of a layer, and of the image, with implied directories; 0: 10,000,000. */
	uint64_t entries;
	/* Components of a path; 0: 1,000. */
	uint64_t depth;
	/* Layers of the image; 0: 1,000. */
	uint64_t layers;
};

/*
 * Zero is the default for every member but the size.  Strings and limits need to live only
 * while ducc_open() runs.
 */
struct ducc_options {
	size_t size;            /* sizeof(struct ducc_options) */
	const char *store;      /* directory; NULL: $DUCC_STORE, else the default of ducc(7) */
	const char *repository; /* NULL: $DUCC_REPO, else the record's repo= field */
	const char *platform;   /* os/arch[/variant]; NULL: platform= field, else this host's */
	const char *notify;     /* file that events are appended to (ducc(7)); NULL: $DUCC_NOTIFY */
	unsigned jobs; /* transfers, layers or registries at a time; 0: a sensible number */
	const struct ducc_limits *limits; /* of images that are unpacked; NULL: the defaults */
	uint64_t batch_bytes; /* of new layers, after which a transaction ends; 0: 32 GiB */
	unsigned wait; /* seconds to wait for a CernVM-FS transaction of others; 0: one hour */
	bool dry_run;  /* say what would be done (at DUCC_INFO), change nothing */
	bool foreign;  /* fetch layers that registries need not have from where they are */
	void (*notice)(void *ctx, enum ducc_level level, const char *text);
	void (*progress)(void *ctx, const struct ducc_progress *progress);
	/* Asked while a job waits: true if it is to be given up, and cleaned up after. */
	bool (*cancelled)(void *ctx);
	void *ctx; /* handed to the callbacks */
};

typedef struct ducc_session ducc_session;

/*
 * Starts a session.  Nothing is opened or created on disk yet, but for the file of
 * events.  Fails if an option does not make sense, or that file can't be written.
 * Release with ducc_close().
 */
DUCC_PUBLIC ducc_session *ducc_open(const struct ducc_options *options, ducc_error **err);
DUCC_PUBLIC void ducc_close(ducc_session *session);

/* --- jobs ------------------------------------------------------------- */

/*
 * Reads n wish lists, recipes or plain ones (ducc-recipe(5)): files, `-` for standard
 * input, or http and https URLs.  Hands each image that is wanted to wanted(), once
 * and in the order of the lists, as soon as it is known: its reference in full, with
 * the fields repo= (see ducc_repository()), and thin= and user= as the recipe says.
 * Of the arguments of wanted(), which it owns, one may be NULL:
 * - no error: an image is wanted;
 * - no record: the error tells of a line, or a whole list, that could not be read;
 * - both: a wildcard that could not be expanded, which is wanted as it stands.
 * With dry_run, no wildcard is expanded, and no registry asked.  With `news`, the same
 * kind of name as in lists, neither, and only those images are handed over of which
 * the records there tell, and not that they were deleted.
 * wanted() returns true to go on.
 * Returns 0, 1 if wanted() has stopped it, or -1 if some list could not be read: then more
 * may be wanted.
 */
DUCC_PUBLIC int ducc_wish(ducc_session *session, const char *const *lists, size_t n,
			  const char *news,
			  bool (*wanted)(void *ctx, ducc_record *record, ducc_error *error),
			  void *ctx);

/*
 * Reads a registry's notification, JSON of at most 4 MiB, from the descriptor: what CNCF
 * Distribution, GitLab, Harbor, Quay and Docker Hub send.  Hands each image that was
 * pushed or deleted to event(), which owns its arguments: a record, or the error why it
 * can't be one, the other is NULL.  The record of a deleted image has the field
 * event=delete; with a repository in the session, all have repo=.
 * `registry` ([SCHEME://]HOST[:PORT]) is what the registry is called, whatever the
 * notification says; NULL: it is to be believed.
 * event() returns true to go on.
 * Returns 0, 1 if event() has stopped it, or -1 with *err set if it is no such notification.
 */
DUCC_PUBLIC int ducc_hook(ducc_session *session, int fd, const char *registry,
			  bool (*event)(void *ctx, ducc_record *record, ducc_error *error),
			  void *ctx, ducc_error **err);

/*
 * Downloads the image that the record names into the store: manifest, config
 * and layers, each verified against its digest (OCI distribution, OCI image
 * layout).  Layers that the repository has are left out.  On success the
 * record's reference is pinned to the image manifest and platform= is set.
 * Returns 0, or -1 with *err set; what arrived whole stays in the store.
 */
DUCC_PUBLIC int ducc_fetch(ducc_session *session, ducc_record *record, ducc_error **err);

/*
 * The platforms that the image is there for, as OS/ARCH[/VARIANT]: an array that ends with
 * NULL, empty if the image is a single one.  Free each and the array with free().  NULL
 * with *err set on failure.
 */
DUCC_PUBLIC char **ducc_platforms(ducc_session *session, const ducc_record *record,
				  ducc_error **err);

/*
 * Unpacks the fetched image that the record names: each layer once, verified
 * against its diff ID, and the merged listing of its root file system
 * (OCI image, "Applying Changesets").  Returns 0, or -1 with *err set.
 */
DUCC_PUBLIC int ducc_unpack(ducc_session *session, const ducc_record *record, ducc_error **err);

/*
 * Extracts the merged root file system of the unpacked image into `dir`, which
 * is created; it must be empty.  Nothing outside of it is touched.  What the
 * calling user may not set (owners, devices, privileged xattrs) is left out and
 * counted in a DUCC_WARNING.  Returns 0, or -1 with *err set; `dir` is then
 * incomplete.
 */
DUCC_PUBLIC int ducc_extract(ducc_session *session, const ducc_record *record, const char *dir,
			     ducc_error **err);

/*
 * Publishes the first of the records, unpacked images, into the repository, as many
 * as go into one transaction (batch_bytes).  errors[i] is set for one that could not
 * be published, and NULL for one that is published now (or was already): whose record
 * gets a field state=, which is added, updated or unchanged.  An image
 * that can't be published does not hold up the others: if the transaction as a whole
 * fails, each is tried again in one of its own.  Returns the number of records that
 * were dealt with, at least one if n is.  All must go to the same repository: see
 * ducc_repository().
 */
DUCC_PUBLIC size_t ducc_publish(ducc_session *session, ducc_record *const *records, size_t n,
				ducc_error **errors);

/* What ducc_gc() is to do; zero is the default for every member. */
struct ducc_gc_options {
	size_t size; /* sizeof(struct ducc_gc_options) */
	/*
	 * Images that somebody wants; `*` in a tag stands for any text.  One with the field
	 * event=delete is not wanted, whatever the others say.
	 */
	ducc_record *const *wanted;
	size_t n_wanted;
	bool all;       /* whatever has a public name is wanted */
	bool force;     /* however many are not wanted any more */
	uint64_t grace; /* seconds that must have passed since nobody wanted it */
	unsigned share; /* percent of all images that may become unwanted at once */
	bool collect;   /* run `cvmfs_server gc` afterwards */
	/* Told of each public name, and directory of a flat tree or layer, that was removed. */
	void (*removed)(void *ctx, const char *path);
	void *ctx;
};

/*
 * Removes from the repository what nobody wants any more, and has not for the grace
 * period; what is not wanted since now goes on the schedule.  First the names go, in
 * one transaction, and then what no other image needs.  With dry_run it only says so.
 * Returns 0, or -1 with *err set; what was not removed then will be by the next call.
 */
DUCC_PUBLIC int ducc_gc(ducc_session *session, const struct ducc_gc_options *options,
			ducc_error **err);

/* What ducc_clean() is to do. */
struct ducc_clean_options {
	size_t size;    /* sizeof(struct ducc_clean_options) */
	uint64_t grace; /* seconds that a file must be old */
	uint64_t limit; /* bytes that the store may have; 0: any */
	/* Told of each file, or image in index.json, that was removed. */
	void (*removed)(void *ctx, const char *what);
	void *ctx;
};

/*
 * Removes from the store what can be made again and is old enough: blobs and layers, and
 * images that are not published in the repository.  What an image needs that is younger
 * stays, and so does what is small and tells that a published image has not changed.
 * If the store is still too large, the oldest go that are not younger than an hour.
 * With dry_run it only says so.  Returns 0, or -1 with *err set.
 */
DUCC_PUBLIC int ducc_clean(ducc_session *session, const struct ducc_clean_options *options,
			   ducc_error **err);

/*
 * Builds the thin image of the published image that the record names, and pushes it to
 * the reference in its thin= field, unless the registry has it already: as an index if
 * images for several platforms are published under that name.  With `layout` it is
 * written into that OCI image layout instead, which is created if need be.  Does
 * nothing if there is neither.  User and password: the field user=, else
 * $DUCC_OUTPUT_REGISTRY_USER, with $DUCC_OUTPUT_REGISTRY_PASS; else as in ducc_fetch().
 * Returns 0, or -1 with *err set.
 */
DUCC_PUBLIC int ducc_thin(ducc_session *session, const ducc_record *record, const char *layout,
			  ducc_error **err);

/*
 * The repository that a record goes to: the option, else $DUCC_REPO, else its
 * repo= field; NULL if there is none.  Lives as long as session and record.
 */
DUCC_PUBLIC const char *ducc_repository(const ducc_session *session, const ducc_record *record);

#ifdef __cplusplus
}
#endif

#endif

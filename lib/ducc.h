/*
 * libducc: unpack container images and publish them file by file.
 *
 * The library implements the ducc tools: it fetches an image into a store, unpacks it there,
 * and publishes it in a repository.  See ducc(7) for the concepts, ducc-store(5) and
 * ducc-repository(5) for the formats on disk.
 *
 * Errors are values.  The last argument of a function that can fail is `ducc_error **err`.
 * On failure it returns a negative number or NULL and, unless err is NULL, sets *err to an
 * error that the caller releases with ducc_error_free().  *err must be NULL before the call.
 *
 * The library never exits and never prints; it reports notices and progress through the
 * callbacks of struct ducc_options.  There is one exception: when memory is exhausted it says
 * so on standard error and aborts; sizes from external data are bounded before allocation.
 * Callers that prefer EPIPE and EFBIG ignore SIGPIPE and SIGXFSZ.  They must not ignore
 * SIGCHLD: the library waits for its child processes.
 *
 * Threads: two threads must not use the same session, record or error at the same time, except
 * that several may call ducc_fetch() and ducc_platforms(), or ducc_unpack(), on one session, each
 * with a record of its own.
 * Sessions are independent, even on the same store and repository, which are locked as
 * needed.  Callbacks may run in threads that the library has started, but only one at a time
 * for each session; they must not call functions on that session.  The library has no
 * visible global state, but it reads the environment, which must not change while one of
 * its functions runs.
 *
 * The environment, read where no option is given:
 *   DUCC_STORE, XDG_CACHE_HOME, HOME   the store
 *   DUCC_REPO, DUCC_NOTIFY             the repository, and the event file
 *   DUCC_AUTH_REGISTRIES and DUCC_NAME_IDENT, _USER, _PASS, _PROXY
 *   DUCC_OUTPUT_REGISTRY_USER, DUCC_OUTPUT_REGISTRY_PASS
 *   REGISTRY_AUTH_FILE, XDG_RUNTIME_DIR, DOCKER_CONFIG, HOME   credentials
 *   CONTAINERS_REGISTRIES_CONF, XDG_CONFIG_HOME, HOME          mirrors and certificates
 *   SSL_CERT_FILE, and the proxy variables of libcurl
 *   DUCC_TIMEOUT                       seconds without progress before a transfer fails, and
 *                                      without an answer before a credential helper is ended
 *   PATH                               for cvmfs_server and credential helpers
 *   TMPDIR                             for archives read from a pipe
 *   DUCC_CLOCK, DUCC_SYSROOT           for tests: the time, and a directory to use as /
 *
 * Strings are NUL-terminated byte strings; they need not be UTF-8.
 *
 * Option structures begin with their size, which the caller sets:
 *   struct ducc_options options = {.size = sizeof(options), .store = "/srv/ducc"};
 * A newer library with more options treats those beyond this size as zero, the default.
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
 * One line of text, outermost context first: "layer sha256:ab...: usr/bin/x: truncated
 * gzip".  It is safe to print (ducc_printable()) and at most about 2,000 bytes long.  Valid
 * as long as the error.
 */
DUCC_PUBLIC const char *ducc_error_message(const ducc_error *err);

/* Errors that a program can handle differently.  More kinds may be added. */
enum ducc_error_kind {
	DUCC_OTHER,
	DUCC_NOT_FOUND, /* an image, file, tag, store or repository does not exist */
	DUCC_DENIED,    /* by a registry or by file permissions */
	DUCC_TRANSIENT, /* a network or registry failed; later attempts may succeed */
	DUCC_CORRUPT,   /* data is damaged, malformed, or does not match its digest */
	DUCC_BUSY,      /* a repository was in use by others for longer than `wait` */
	DUCC_CANCELLED, /* by the callback cancelled() */
	DUCC_NO_SPACE,  /* a file system or quota is full */
	DUCC_USAGE,     /* an option, reference or record is invalid or missing */
	DUCC_LIMIT,     /* an image exceeds a limit (struct ducc_limits) */
	DUCC_SYSTEM,    /* a system call failed for another reason */
	DUCC_ARTIFACT,  /* the reference names an artifact that is not a container image */
	DUCC_DAMAGED,   /* a file in the store was damaged, and removed: fetch the image again */
};

/* The kind of the root cause. */
DUCC_PUBLIC enum ducc_error_kind ducc_error_kind(const ducc_error *err);

/* Releases an error; NULL is allowed. */
DUCC_PUBLIC void ducc_error_free(ducc_error *err);

/*
 * The text as one line that is safe on a terminal: control characters, including those of
 * Unicode, and bytes that are not UTF-8 become \ooo.  The user info of URLs, which can be a
 * password, becomes "(hidden)".  The caller frees it.  Error messages are already in this form.
 */
DUCC_PUBLIC char *ducc_printable(const char *text);

/* --- records ---------------------------------------------------------- */

/*
 * One image in a pipeline: a reference and key=value fields, separated by tabs.  Keys are
 * printable ASCII and unique; the reference and the values contain no control characters.
 * A formatted record is therefore one line that parses to the same record, but for passwords.
 * Unknown keys are kept, in their order.
 */
typedef struct ducc_record ducc_record;

/*
 * Parses one line, without its newline.  Of the reference, only the characters are checked.
 * Returns a record to release with ducc_record_free(), or NULL with *err set if the line is
 * not a record.
 */
DUCC_PUBLIC ducc_record *ducc_record_parse(const char *line, ducc_error **err);

/* A record with this reference and no fields; NULL with *err set if that is not possible. */
DUCC_PUBLIC ducc_record *ducc_record_new(const char *reference, ducc_error **err);

DUCC_PUBLIC ducc_record *ducc_record_copy(const ducc_record *record);

DUCC_PUBLIC void ducc_record_free(ducc_record *record);

/* The reference, as written in the first field. */
DUCC_PUBLIC const char *ducc_record_reference(const ducc_record *record);

/* True for an image in a file or directory (oci:..., docker-archive:...), not in a registry. */
DUCC_PUBLIC bool ducc_record_is_local(const ducc_record *record);

/* The value of the first field named `key`, or NULL. */
DUCC_PUBLIC const char *ducc_record_get(const ducc_record *record, const char *key);

/*
 * Field i, counted from 0 in the order of the line; false if there is no such field.  Key
 * and value are valid until the record is changed or freed.
 */
DUCC_PUBLIC bool ducc_record_field(const ducc_record *record, size_t i, const char **key,
				   const char **value);

/*
 * Sets a field in its place, or appends it; a NULL value removes it.  Returns 0, or -1 with *err
 * set and the record unchanged if the key or value is not allowed in a record.
 */
DUCC_PUBLIC int ducc_record_set(ducc_record *record, const char *key, const char *value,
				ducc_error **err);

/*
 * The record as one line without a newline; the caller frees it with free().  The user info of
 * URLs, which can be a password, becomes "(hidden)", which is not valid in a reference either.
 */
DUCC_PUBLIC char *ducc_record_format(const ducc_record *record);

/* --- differences ------------------------------------------------------ */

/*
 * A difference between what is published or stored, and what should be.  All strings are
 * bytes, which may include any but NUL, and belong to the library.
 */
struct ducc_difference {
	const char *kind;     /* a word: missing, mode, content... (ducc-check(1)) */
	const char *object;   /* an image's name, or the digest of a layer or blob; NULL: neither */
	const char *path;     /* in the repository or store; "" is its root */
	const char *expected; /* NULL: nothing, or unknown */
	const char *found;    /* NULL: nothing, or unknown */
};

/*
 * The difference as one line without a newline: its members, separated by tabs.  Blanks,
 * backslashes and all but printable ASCII become \ooo, and an absent or empty member `-'.  The
 * caller frees it with free().
 */
DUCC_PUBLIC char *ducc_difference_format(const struct ducc_difference *difference);

/* --- a session: options shared by all jobs ---------------------------- */

enum ducc_level {
	DUCC_WARNING, /* something was left out or differs */
	DUCC_INFO,    /* one line for each step (-v) */
	DUCC_DEBUG,   /* details of the steps (-v -v) */
};

/* What is done with something whose progress is reported. */
enum ducc_activity {
	DUCC_FETCHING,
	DUCC_UNPACKING,
	DUCC_EXTRACTING,
	DUCC_PUBLISHING, /* its files are written to the repository, or passed to cvmfs_server */
	DUCC_COMMITTING, /* a transaction becomes visible */
};

enum ducc_progress_state {
	DUCC_MOVING,  /* the first report with this state has the bytes that were done before */
	DUCC_WAITING, /* it is going to move */
	DUCC_ENDED,   /* done, failed, or no longer necessary; `done` is 0 */
};

/*
 * Progress: `done` of `total` bytes (total 0: unknown) of `what`, the digest of a layer or the name
 * of a repository.  A thing is identified by its activity, `what` and image.
 */
struct ducc_progress {
	const char *what;
	uint64_t done;
	uint64_t total;
	const char *image; /* the reference of the image that it is for; NULL: perhaps several */
	enum ducc_activity activity;
	enum ducc_progress_state state;
};

/*
 * Limits for fetching and unpacking an image.  An image that exceeds one is rejected with an error
 * that names the limit.  Zero is the default for every member.  "Compressed" is the size of the
 * blobs in bytes, each counted once.
 */
struct ducc_limits {
	size_t size; /* sizeof(struct ducc_limits) */
	/* Unpacked bytes of one layer; 0: ratio x compressed, at least 1 GiB. */
	uint64_t layer;
	/* Unpacked bytes of all new layers; 0: ratio x compressed, at least 4 GiB. */
	uint64_t image;
	/*
	 * Bytes of the listing of one layer; 0: 100 x compressed, at least 16 MiB.  Also of
	 * the listings of all layers, each counted once for each time that the layer occurs
	 * in the image; 0: 100 x compressed, at least 32 MiB.
	 */
	uint64_t listing;
	/* Entries of a layer and of the image, with implied directories; 0: 10,000,000. */
	uint64_t entries;
	/* Components of a path; 0: 1,000. */
	uint64_t depth;
	/* Layers of the image; 0: 1,000. */
	uint64_t layers;
	/* Bytes of a path; 0: 65,536. */
	uint64_t path;
	/* Compressed bytes of the layers to fetch; 0: 1 TiB. */
	uint64_t blobs;
	/* For the defaults above; 0: 200. */
	uint64_t ratio;
	/* Seconds for ducc_fetch(), and for ducc_unpack(); 0: 86,400. */
	uint64_t time;
	/* Bytes of the manifest, and of the config; 0, as more: 4 MiB. */
	uint64_t json;
	/* Bytes of the names and values of an entry's extended attributes; 0, as more: 128 KiB. */
	uint64_t xattrs;
};

/* The member with that name; NULL: there is none. */
DUCC_PUBLIC uint64_t *ducc_limit(struct ducc_limits *limits, const char *name);

/*
 * Zero is the default for every member but the size.  Strings and limits need to be valid
 * only during ducc_open().
 */
struct ducc_options {
	size_t size;            /* sizeof(struct ducc_options) */
	const char *store;      /* directory; NULL: $DUCC_STORE, else the default of ducc(7) */
	const char *repository; /* NULL: $DUCC_REPO, else the record's repo= field */
	const char *platform;   /* os/arch[/variant]; NULL: platform= field, else this host's */
	const char *notify;     /* file that events are appended to (ducc(7)); NULL: $DUCC_NOTIFY */
	unsigned jobs; /* transfers, layers or registries in parallel; 0: a sensible number */
	const struct ducc_limits *limits; /* NULL: the defaults */
	uint64_t batch_bytes; /* of new layers, after which a transaction ends; 0: 32 GiB */
	unsigned wait;        /* seconds to wait for other CernVM-FS transactions; 0: one hour */
	bool dry_run;         /* report the planned actions (at DUCC_INFO), change nothing */
	bool foreign;         /* fetch non-distributable layers, from the URLs in the manifest */
	void (*notice)(void *ctx, enum ducc_level level, const char *text);
	void (*progress)(void *ctx, const struct ducc_progress *progress);
	/* Called while a job waits; true cancels the job, which then cleans up. */
	bool (*cancelled)(void *ctx);
	void *ctx; /* passed to the callbacks */
	/*
	 * CernVM-FS: files larger than so many bytes are published in chunks, if its own
	 * configuration splits them; 0: what that says; UINT64_MAX: no files.
	 */
	uint64_t chunk_bytes;
	bool split; /* publish published files again that are larger, but not in chunks */
	bool again; /* publish images again that are published, as with the field repair=all */
	/*
	 * A file with records of all images that somebody wants; of those that fail, with the fields
	 * failing=, the time since when (RFC 3339, UTC), and error=, the cause.  ducc_publish() and
	 * ducc_gc() publish these failures, if they change something else; see ducc-repository(5).
	 * ducc_gc() spares what other lists want, according to the store, but not those that the file
	 * names in lines `# name=LIST' at its beginning.
	 */
	const char *wishes;
};

typedef struct ducc_session ducc_session;

/*
 * Starts a session.  Opens and creates nothing on disk but the event file.  Fails if an
 * option is invalid or the event file cannot be written.  Release with ducc_close().
 */
DUCC_PUBLIC ducc_session *ducc_open(const struct ducc_options *options, ducc_error **err);
DUCC_PUBLIC void ducc_close(ducc_session *session);

/* The jobs that a confined thread can do, besides those that only read. */
enum ducc_confinement {
	DUCC_CONFINE_FETCH,  /* ducc_fetch() and ducc_platforms(); creates the store */
	DUCC_CONFINE_UNPACK, /* ducc_unpack() and ducc_extract(); the store must exist */
};

/*
 * Confines the calling thread, and all threads and processes that it starts later, for the rest
 * of their lives, to what these jobs of the session need, as far as the kernel supports it: see
 * ducc(7).  This limits what an image can do that exploits a flaw.  `dir`, the only directory
 * for ducc_extract(), is created; it may be NULL.  For DUCC_CONFINE_FETCH it also starts a process
 * that runs credential helpers until ducc_close().  Call it before other threads are started.
 * It reports at DUCC_INFO what is enforced.  Returns 0, also if this session is confined
 * already, or -1 with *err set.
 */
DUCC_PUBLIC int ducc_confine(ducc_session *session, enum ducc_confinement jobs, const char *dir,
			     ducc_error **err);

/* --- jobs ------------------------------------------------------------- */

/*
 * Reads n wish lists, recipes or plain ones (ducc-recipe(5)): files, `-` for standard
 * input, or http and https URLs.  Passes each wanted image that its list does not exclude to
 * wanted(), once and in the order of the lists, as soon as it is known: its full reference, with
 * the fields repo= (see ducc_repository()), and thin= and user= from the recipe.
 * wanted() owns its arguments, of which one may be NULL:
 * - no error: a wanted image;
 * - no record: the error is about a line, or a whole list, that could not be read;
 * - both set: a wildcard that could not be expanded; the record contains it unexpanded.
 * With dry_run, expands no wildcard and contacts no registry.  `news` names a list of
 * records, in the same ways as `lists`: with it, wildcards are not expanded either, and only
 * those wanted images are passed on that have a record there without event=delete.
 * wanted() returns true to continue.
 * Returns 0, 1 if wanted() stopped it, or -1 if a list, or a line of one, could not be read:
 * then more images may be wanted.
 */
DUCC_PUBLIC int ducc_wish(ducc_session *session, const char *const *lists, size_t n,
			  const char *news,
			  bool (*wanted)(void *ctx, ducc_record *record, ducc_error *error),
			  void *ctx);

/*
 * Reads a notification of CNCF Distribution, GitLab, Harbor, Quay or Docker Hub, JSON of at
 * most 4 MiB, from the descriptor.  Passes each image that was pushed or deleted to event(),
 * which owns its arguments: a record, or an error if it cannot be made; the other is NULL.
 * The record of a deleted image has the field event=delete; if the session has a
 * repository, all have repo=.
 * `registry` ([SCHEME://]HOST[:PORT]) overrides the registry's name in the notification;
 * NULL: trust the notification.
 * event() returns true to continue.
 * Returns 0, 1 if event() stopped it, or -1 with *err set if it is not such a notification, or
 * if `registry` is not valid (DUCC_USAGE).
 */
DUCC_PUBLIC int ducc_hook(ducc_session *session, int fd, const char *registry,
			  bool (*event)(void *ctx, ducc_record *record, ducc_error *error),
			  void *ctx, ducc_error **err);

/*
 * Downloads the image named by the record into the store: manifest, config and layers,
 * each verified against its digest (OCI distribution, OCI image layout).  Skips layers that
 * are in the repository.  On success the record's reference is pinned to the image manifest
 * and platform= is set.  Returns 0, 1 with a notice if the record has wildcard=yes and names an
 * artifact that is not an image, or -1 with *err set; complete blobs stay in the store.
 */
DUCC_PUBLIC int ducc_fetch(ducc_session *session, ducc_record *record, ducc_error **err);

/*
 * The platforms in the index of the image, and in indexes nested in it, as OS/ARCH[/VARIANT]: a
 * NULL-terminated array, empty if the image has no index.  Free each element and the array with
 * free().  NULL with *err set on failure, also if an image in the index or a nested index cannot be
 * examined.
 */
DUCC_PUBLIC char **ducc_platforms(ducc_session *session, const ducc_record *record,
				  ducc_error **err);

/*
 * Unpacks the fetched image named by the record: each layer once, verified against its diff
 * ID, and the merged listing of the root file system (OCI image, "Applying Changesets").
 * Returns 0, or -1 with *err set.
 */
DUCC_PUBLIC int ducc_unpack(ducc_session *session, const ducc_record *record, ducc_error **err);

/*
 * Extracts the merged root file system of the unpacked image into `dir`, which is created
 * if necessary and must be empty.  Nothing outside of it is modified.  Owners, devices and
 * privileged xattrs that the calling user may not set are left out and counted in a
 * DUCC_WARNING.  Returns 0, or -1 with *err set; `dir` is then incomplete.
 */
DUCC_PUBLIC int ducc_extract(ducc_session *session, const ducc_record *record, const char *dir,
			     ducc_error **err);

/*
 * Publishes unpacked images in the repository: the first of the records, as many as fit
 * into one transaction (batch_bytes).  Sets errors[i] if image i could not be published;
 * it stays NULL if the image is now published (or already was), and the record gets the
 * field state=, which is added, updated, restored or unchanged.  What the field repair= lists (see
 * ducc_check()) is published again even if it is.  A failed image does not hold up the
 * others: if the transaction as a whole fails, each image is retried in one of its own.
 * Returns the number of records processed, at least one if n is.  All must have the same
 * repository: see ducc_repository().
 */
DUCC_PUBLIC size_t ducc_publish(ducc_session *session, ducc_record *const *records, size_t n,
				ducc_error **errors);

/* Options of ducc_gc(); zero is the default for every member but the size. */
struct ducc_gc_options {
	size_t size; /* sizeof(struct ducc_gc_options) */
	/*
	 * The images to keep, or with `remove` those to remove; `*` in a tag matches any text.
	 * In a list of images to keep, one with the field event=delete is unwanted, whatever
	 * the other records contain; a list of only such images names those to remove.
	 */
	ducc_record *const *images;
	size_t n_images;
	bool all;       /* every image with a public name is wanted */
	bool force;     /* proceed with an empty list, or however many images become unwanted */
	uint64_t grace; /* seconds that an image must have been unwanted */
	unsigned share; /* percent of all images that may become unwanted at once */
	bool collect;   /* run `cvmfs_server gc` afterwards */
	/* Called for each removed public name, and removed directory of a flat tree or layer. */
	void (*removed)(void *ctx, const char *path);
	void *ctx;
	/*
	 * Only these images are unwanted, and what only they need; everything else stays as it
	 * is.  One that is not published is an error, after the others are removed.
	 */
	bool remove;
	/* Warns of images to keep that are not published: somebody has named them. */
	bool check;
	/*
	 * Called for each path that was put on the schedule, with the day on which it is to be removed;
	 * NULL: that is a notice.
	 */
	void (*scheduled)(void *ctx, const char *path, const char *day);
};

/*
 * Removes images from the repository that have been unwanted for the grace period, and adds
 * newly unwanted ones to the schedule.  Removes the names first, in one transaction, then
 * the trees that no other image needs.  With dry_run, only reports this.  Returns 0, or -1
 * with *err set; the next call then completes the removal.
 */
DUCC_PUBLIC int ducc_gc(ducc_session *session, const struct ducc_gc_options *options,
			ducc_error **err);

/* Options of ducc_check(). */
struct ducc_check_options {
	size_t size; /* sizeof(struct ducc_check_options) */
	/* References of the images to check, in which `*` in a tag matches any text; none: all. */
	const char *const *images;
	size_t n_images;
	bool contents; /* compare the contents of files, too */
	/* Called for each difference, in any order; true to continue.  May be NULL. */
	bool (*difference)(void *ctx, const struct ducc_difference *difference);
	/*
	 * Called for each image that must be published again, after the differences, with a
	 * record for ducc_fetch() and so on, which it owns; true to continue.  May be NULL.
	 */
	bool (*broken)(void *ctx, ducc_record *record);
	void *ctx;
};

/*
 * Compares what is published in the repository with the manifests, configs and listings there:
 * public names, layers, flat root file systems, Podman's store, the removal schedule; and, unless
 * images are given, finds what nothing refers to.  Only reads.  Returns 0, 1 if a callback
 * stopped it, or -1 with *err set if it, or a part of it, could not be checked.
 */
DUCC_PUBLIC int ducc_check(ducc_session *session, const struct ducc_check_options *options,
			   ducc_error **err);

/* Options of ducc_list(). */
struct ducc_list_options {
	size_t size; /* sizeof(struct ducc_list_options) */
	/*
	 * The images to list, as references in which `*` in a tag matches any text, or as glob(7)
	 * patterns for names; none: all.
	 */
	const char *const *images;
	size_t n_images;
	bool store;     /* list the store instead of the repository */
	bool own;       /* also find the size that no other image shares: reads all images */
	bool remote;    /* ask the registries whether the images are current */
	uint64_t grace; /* seconds that an image must be unwanted before it is removed */
	/*
	 * Called for each image, sorted by name, with a record that has the fields described in
	 * ducc-ls(1).  The callback owns its arguments, of which one may be NULL: without a record,
	 * the error is about an operand that matches nothing, or names an image that is wanted,
	 * but not published; with one, the registry could not be
	 * asked.  Returns true to continue.
	 */
	bool (*image)(void *ctx, ducc_record *record, ducc_error *error);
	void *ctx;
};

/*
 * Lists the images that are published in the repository, or are in the store.  Only reads, and of a
 * repository only names and .metadata; up to `jobs` images in parallel.  Returns 0, 1 if the
 * callback stopped it, or -1 with *err set if the repository or store could not be read.
 */
DUCC_PUBLIC int ducc_list(ducc_session *session, const struct ducc_list_options *options,
			  ducc_error **err);

/* Options of ducc_store_check(). */
struct ducc_store_check_options {
	size_t size; /* sizeof(struct ducc_store_check_options) */
	/* Called for each difference, in any order; true to continue.  May be NULL. */
	bool (*difference)(void *ctx, const struct ducc_difference *difference);
	void *ctx;
};

/*
 * Checks the whole store: every blob against its digest, every unpacked layer against its listing,
 * that and the manifests against the configs, index.json against the manifests; and finds files
 * that no image needs.  Only reads, up to `jobs` files in parallel.  Returns 0, 1 if the callback
 * stopped it, or -1 with *err set if the store could not be read.
 */
DUCC_PUBLIC int ducc_store_check(ducc_session *session,
				 const struct ducc_store_check_options *options, ducc_error **err);

/* Options of ducc_clean(). */
struct ducc_clean_options {
	size_t size;    /* sizeof(struct ducc_clean_options) */
	uint64_t grace; /* minimum age of a file, in seconds */
	uint64_t limit; /* maximum size of the store, in bytes; 0: none */
	/* Called for each removed file, and for each image removed from index.json. */
	void (*removed)(void *ctx, const char *what);
	void *ctx;
};

/*
 * Removes files from the store that can be recreated and are old enough: blobs and layers,
 * and images that are not published in the repository.  Keeps the files that younger images
 * need, and the small ones that show that a published image has not changed.  If the store
 * is still too large, removes the oldest of the others that are at least an hour old.
 * With dry_run, only reports this.  Returns 0, or -1 with *err set.
 */
DUCC_PUBLIC int ducc_clean(ducc_session *session, const struct ducc_clean_options *options,
			   ducc_error **err);

/*
 * Builds the thin image of the published image named by the record, and pushes it to the
 * reference in the field thin=, unless the registry already has it: as an index if images
 * for several platforms are published under that name.  If `layout` is not NULL, writes it
 * into that OCI image layout instead, which is created if necessary.  If there is
 * neither, it only checks the reference.  User and password: the field user=, else $DUCC_OUTPUT_REGISTRY_USER, with
 * $DUCC_OUTPUT_REGISTRY_PASS; else as in ducc_fetch().  Returns 0, or -1 with *err set.
 */
DUCC_PUBLIC int ducc_thin(ducc_session *session, const ducc_record *record, const char *layout,
			  ducc_error **err);

/*
 * The repository for a record: the option, else $DUCC_REPO, else the field repo=; NULL if
 * none is set.  Valid as long as session and record.
 */
DUCC_PUBLIC const char *ducc_repository(const ducc_session *session, const ducc_record *record);

#ifdef __cplusplus
}
#endif

#endif

/*
 * Checking a repository: what the parts of the job of ducc-check share.
 */
#ifndef DUCC_CHECK_H
#define DUCC_CHECK_H

#include <pthread.h>

#include "base/buffer.h"
#include "base/strmap.h"
#include "content/compare.h"
#include "jobs/failures.h"
#include "jobs/session.h"
#include "jobs/stored_image.h"
#include "repo/inventory.h"
#include "repo/repository.h"
#include "repo/schedule.h"

#define DIFFERS_UNLISTED "unlisted"
#define DIFFERS_SCHEDULE "schedule"
#define DIFFERS_STACK "stack"

/* A layer or flat tree that an image to check needs. */
struct checked_tree {
	const struct published *image; /* the first one that needs it */
	struct checked_image *stacks;  /* of a flat tree: images with different manifests */
	const char *diff_id; /* of a layer, as an image has it, which owns it; NULL: unknown */
	bool broken;
	bool compared;  /* to the end */
	bool listed;    /* it has a listing that can be read */
	bool unstacked; /* of a flat tree: layers could not be stacked, also in the look before */
	bool original;  /* it is one of the original DUCC, without a listing, but complete */
	struct strset owners; /* of such a layer: paths whose owner was reported */
	struct strmap wrong;  /* of a layer: struct wrong_content, by the path of the file */
};

/* A file that cannot be read, or has other contents. */
struct wrong_content {
	const char *kind; /* of difference */
	char found[];     /* the reason, or the digest */
};

/* An image to check. */
struct checked_image {
	const struct published *published;
	struct stored_image stored;
	bool readable; /* stored is complete */
	bool broken;   /* apart from its trees */
	bool unlike;   /* its layers, stacked, differ from its flat tree */
	struct checked_image *next_stack;
	struct digest manifest; /* to publish again; hex "": unknown */
};

/*
 * A look at the repository.  Others may change it meanwhile, so what is found is kept, and if
 * that is not the truth, because there is another revision, or may be another one, the next look
 * takes the place of this one.
 */
struct check {
	ducc_session *session;
	struct ducc_check_options options;
	const struct check *before; /* the look before: its sound trees are not compared again */
	bool last;                  /* what this look finds is the truth */
	bool settled;               /* differences are reported at once */
	bool doubtful;              /* something differs */
	bool unscheduled;           /* the schedule is damaged, or cannot be read */
	uid_t owner;                /* see struct comparison */
	struct buffer found;        /* unless settled: differences, see check_report.c */
	struct strset suspects;     /* the objects that differ, or could not be read */
	struct repository repository;
	struct inventory inventory;
	struct schedule schedule;
	struct checked_image *images;
	size_t n;
	struct strmap layers, flats; /* of struct checked_tree, by digest */
	struct failures failures;
	pthread_mutex_t mutex;
	bool stopped; /* by a callback */
};

/*
 * Reports a difference and sets *broken; `object` may be NULL (check_report.c, as are the
 * following).
 */
void check_differs(struct check *check, bool *broken, const char *kind, const char *object,
		   const char *path, const char *expected, const char *found);

/*
 * Reports what cannot be opened, with errno set: it is missing, or of another type.  Otherwise it may
 * be as it should be: it is unreadable to us, which does not set *broken, or a failure.
 */
void check_absent(struct check *check, bool *broken, const char *object, const char *path,
		  const char *expected);

/* Reports the differences that were kept; from now on, others are reported at once. */
void check_settle(struct check *check);

/* Reports an existing file whose mode or owner is not what a publisher sets. */
void check_attributes(struct check *check, bool *broken, const char *object, const char *path);

/* Adds a failure to read something of an object; takes ownership of the error. */
void check_unread(struct check *check, const char *object, ducc_error *error);

/* Like check_absent() for something that exists, with the errno value ... */
void check_failed(struct check *check, const char *object, const char *path, int code);
/* ... or with an error, also of damage; takes ownership of it. */
void check_error(struct check *check, bool *broken, const char *object, const char *path,
		 ducc_error *error);

/* True if a callback has stopped the check. */
bool check_is_stopped(struct check *check);

/*
 * Checks the images, apart from their trees (check_images.c): their documents, which also say what
 * trees they need; their names, except those with an image that is unreadable or has lost its
 * platform, on which they may depend; Podman's lists, which also contain the digest of a manifest
 * that is missing or damaged.
 */
int check_images(struct check *check, ducc_error **err);
void check_names(struct check *check);
/* True if an image that can be read has another platform than its label says. */
bool check_platform_is_lost(const struct checked_image *image);
void check_podman(struct check *check);

/* Checks the layers and flat trees (check_trees.c). */
int check_trees(struct check *check, ducc_error **err);

/*
 * Stacks the layers of the images with this flat tree, according to their listings, and compares
 * that with the listing of the flat tree, `flat` (check_stacks.c).  Sets the member `unstacked` if that
 * of a layer is not good.
 */
void check_stacks(struct check *check, struct checked_tree *tree, const char *directory,
		  struct tree *flat);

/*
 * Judge what the original DUCC has published and described, without listings
 * (check_original.c): whether it has published an image, or -1 if that is unknown, a failure; and
 * whether a layer or flat tree is complete, which is then checked as far as possible, or unknown.
 */
int check_original_image(struct check *check, const char *label);
bool check_original_layer(struct check *check, struct checked_tree *tree,
			  const struct digest *layer, const char *root, const char *object);
bool check_original_flat(struct check *check, struct checked_tree *tree,
			 const struct digest *config, const char *object);

/* Checks the schedule and the directories, and finds what no image needs (check_rest.c). */
int check_schedule(struct check *check, ducc_error **err);
int check_structure(struct check *check, ducc_error **err);
int check_orphans(struct check *check, ducc_error **err);

#endif

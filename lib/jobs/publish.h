/*
 * Publishing images: what the parts of the job of ducc-publish share.
 */
#ifndef DUCC_PUBLISH_H
#define DUCC_PUBLISH_H

#include "base/strmap.h"
#include "jobs/events.h"
#include "jobs/session.h"
#include "jobs/stored_image.h"
#include "repo/known.h"
#include "repo/transaction.h"

/* An image to publish. */
struct publish_image {
	struct reference reference;
	char *name; /* REGISTRY/REPOSITORY:TAG */
	struct stored_image stored;
	struct platform platform;
	struct strset there;  /* labels under which its metadata is published */
	uint64_t *unpacked;   /* bytes of each layer; 0: unknown */
	bool *added;          /* for each layer: the transaction adds it */
	struct strmap *moved; /* for each layer: where files are published, if elsewhere */
	struct amount amounts[N_WAYS];
	const ducc_record *record;
	bool again;   /* its names and documents are published again */
	bool changed; /* the transaction adds something for it, apart from names */
	bool renamed; /* its public names, or what Podman knows of it, are restored */
	bool known;   /* its name, for that platform, was published before */
	bool same;    /* ... with this manifest */
	bool rescued; /* it was on the removal schedule */
	struct span span;
};

struct publish {
	ducc_session *session;
	struct store store;
	struct repository repository;
	struct transaction *transaction;
	struct known *known;
	ducc_record *const *records;
	struct publish_image *images; /* one for each record processed */
	size_t n;
	ducc_error **errors;
	struct strmap layers; /* listings of those that the transaction adds or completes, see
				 publish_layers.c */
	bool leaves;          /* the image prepared last is left to the next transaction */
	bool together;        /* all of them: names, documents and the commit are one step */
};

/* Reads the manifest and config of an image from the store; ends with publish_image_end(). */
int publish_read_image(struct publish *publish, const ducc_record *record,
		       struct publish_image *image, ducc_error **err);
void publish_image_end(struct publish_image *image);

/*
 * Additions of one image, in the order of these calls: its layers, each once, completing those that
 * are published; its flat root file system (publish_layers.c, publish_flat.c).
 */
int publish_layers(struct publish *publish, struct publish_image *image, ducc_error **err);
int publish_flat(struct publish *publish, const struct publish_image *image, ducc_error **err);

/*
 * Returns 1 if exactly this image is published under its name: then its layers are complete for
 * it; 0 if not; -1 if it cannot have that name (publish_names.c).
 */
int publish_has_image(struct publish *publish, struct publish_image *image, ducc_error **err);

/*
 * After the additions of all images: adds their names, their metadata and Podman's lists, and
 * takes them off the schedule (publish_names.c).
 */
int publish_names(struct publish *publish, ducc_error **err);

/*
 * True if the layer or flat tree is to be published again, although it is published, and this
 * session has not done that for another image (publish_again.c).
 */
bool publish_wants_again(const struct publish *publish, const struct publish_image *image,
			 const struct digest *tree);
/* After a commit: remembers what was published again, once for all images that need it. */
void publish_note_again(struct publish *publish);

/*
 * Splits the large files that the first n images have published, in as many transactions as the
 * scratch space requires, before new files refer to them (publish_split.c).
 */
int publish_split(struct publish *publish, size_t n, ducc_error **err);

/* Sets the amounts of an image: what the transaction has added since it was saved. */
void publish_set_amounts(struct publish_image *image, const struct transaction *transaction);

/* Notices about an image: "NAME: publishing, 5 files sent (0.1 MB), 23 linked (1.5 MB)". */
void publish_report_plan(struct publish *publish, const struct publish_image *image);
/* For a dry run: what publishing it would add. */
void publish_report_missing(struct publish *publish, const struct publish_image *image);
/* Reports the result in the record and in events (publish_report.c). */
void publish_report(struct publish *publish, size_t i);

#endif

/*
 * Garbage collection: what the parts of the job of ducc-gc share.
 */
#ifndef DUCC_GC_H
#define DUCC_GC_H

#include "jobs/gc_images.h"
#include "jobs/gc_plan.h"
#include "jobs/session.h"
#include "jobs/wishes.h"
#include "repo/transaction.h"

struct gc {
	ducc_session *session;
	struct ducc_gc_options options;
	struct gc_images images;
	struct wishes_of_others others; /* that the store knows */
	struct store store;
	struct repository repository;
	struct transaction *transaction;
	struct inventory inventory;
	struct schedule schedule;
	struct gc_plan plan;
	struct strset staying, going; /* the manifests of images, in hex, for Podman */
	bool mend;   /* the published schedule is damaged, or has entries that are nonsense */
	size_t end;  /* of the plan: only items before it are removed by this transaction */
	bool marked; /* the names are gone, and the trees are marked */
	time_t now;  /* no earlier than the last publication */
};

/*
 * The wish of another list for an image that the given list does not have, which it spares; or NULL.
 * *expanded is false if only a pattern matches it.
 */
const struct wish *gc_wish_of_others(const struct gc *gc, const char *name, bool *expanded);

/* Whether an image is to be kept: for the struct gc in ctx. */
enum gc_wanted gc_is_wanted(void *ctx, const char *name);
/*
 * True if there is no tree or image of that name, as on the schedule.  An image that has lost its
 * public name has documents.
 */
bool gc_is_gone(const struct gc *gc, const char *path);
/* Reads the repository, and plans what to remove. */
int gc_make_plan(struct gc *gc, ducc_error **err);
/* Fails if that is more than the options allow. */
int gc_check_plan(const struct gc *gc, ducc_error **err);

/* Begins a transaction (gc_remove.c). */
int gc_begin(struct gc *gc, ducc_error **err);
/* Removes what the plan says, and reports it. */
int gc_remove(struct gc *gc, ducc_error **err);
/* True if paths of Podman's that no image needs are removed with the rest. */
bool gc_removes_remains(const struct gc *gc);

/*
 * Notices about the plan: each item, and how much is removed (gc_report.c).  What is put on the
 * schedule is reported once that is committed, in a dry run with the plan.
 */
void gc_report_plan(const struct gc *gc);
void gc_report_scheduled(const struct gc *gc);
/* Warns of images to remove that a list in this store names: they would be published again. */
void gc_warn_of_lists(const struct gc *gc);
/* Warns of images to keep that are not published, or only wildcards, if options.check is set. */
void gc_warn_of_unpublished(const struct gc *gc);
/* Reports, once it is committed, that a path was removed. */
void gc_report_removed(const struct gc *gc, const char *path);

#endif

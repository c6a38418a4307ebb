/*
 * Listing images: what the parts of the job of ducc-ls share.
 *
 * list_repository() or list_store() finds the names, the job selects some, and read() then reads
 * the documents of each.
 */
#ifndef DUCC_LIST_H
#define DUCC_LIST_H

#include <time.h>

#include "jobs/session.h"
#include "jobs/stored_image.h"
#include "repo/inventory.h"
#include "repo/schedule.h"

/* A layer of an image, without its duplicates. */
struct listed_layer {
	struct digest digest;
	uint64_t size; /* of the blob in bytes */
};

/* An image, for one platform. */
struct listed {
	char *name;                        /* REGISTRY/REPOSITORY:TAG */
	const struct published *published; /* in a repository; NULL: it is not published */
	const char *wanted;                /* the reference on a list; NULL: unknown */
	bool selected;

	/* Set by read(), or known before; the strings are NULL, and digests "", if unknown. */
	char *platform;
	struct digest manifest; /* as in the registry */
	struct digest config;
	struct listed_layer *layers;
	size_t n_layers, layers_capacity;
	time_t since; /* when it was published or fetched; 0: unknown */
	char *state;
	char *damaged; /* why it could not be read, or used */

	uint64_t size, own; /* bytes of all layers, and of those that no other name needs */
	const char *current;
	ducc_error *error; /* of asking the registry */
};

struct list {
	ducc_session *session;
	struct ducc_list_options options;
	struct listed *images;
	size_t n, capacity;
	void (*read)(struct list *list, struct listed *image);

	struct repository repository;
	struct inventory inventory;
	struct schedule schedule;
	ducc_error *trouble; /* reported at the end: why the list is, or may be, incomplete */
	struct store store;
};

struct listed *list_add(struct list *list, const char *name);

/* The reference of the image, with the scheme of the one on a list: names have none. */
int list_reference(const struct listed *image, struct reference *reference, ducc_error **err);

/* Adds a layer, unless it is there. */
void list_add_layer(struct listed *image, const struct digest *digest, uint64_t size);
/* Takes what is needed of the manifest. */
void list_take(struct listed *image, const struct manifest *manifest);

int list_repository(struct list *list, ducc_error **err);
int list_store(struct list *list, ducc_error **err);

/* Asks the registry whether its image of that name is this one; sets current, or error. */
void list_ask_registry(struct list *list, struct listed *image);

#endif

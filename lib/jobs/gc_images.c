/* The images of a garbage collection: see gc_images.h. */
#include "jobs/gc_images.h"

#include "base/buffer.h"
#include "base/mem.h"
#include "base/text.h"

#define LISTED ((size_t)3)

/* Whoever mistypes the event does not want to keep the image, and remove all others. */
static int read_event(const ducc_record *record, bool *deleted, ducc_error **err)
{
	const char *event = ducc_record_get(record, "event");

	*deleted = event && !strcmp(event, "delete");
	return event && !*deleted ? error_set(err, "%s: unknown event: %s",
					      ducc_record_reference(record), event)
				  : 0;
}

static int read_image(struct gc_images *images, const ducc_record *record, ducc_error **err)
{
	struct reference *reference = &images->references[images->n];
	const char *text = ducc_record_reference(record);
	AUTO_FREE char *name = NULL;
	bool deleted;

	if (read_event(record, &deleted, err) < 0)
		return -1;
	deleted &= !images->find;
	if ((deleted ? reference_parse : reference_parse_pattern)(reference, text, err) < 0)
		return -1;
	images->n++;
	if (images->find)
		return 0;
	name = reference_name(reference);
	strset_add(deleted ? &images->unwanted : &images->wanted, name);
	if (!reference_is_pattern(reference))
		images->some &= deleted;
	return 0;
}

int gc_images_read(struct gc_images *images, const struct ducc_gc_options *options,
		   ducc_error **err)
{
	images->all = options->all;
	images->find = options->remove;
	images->some = options->remove || (!options->all && options->n_images);
	images->references = xcalloc(options->n_images, sizeof(*images->references));
	for (size_t i = 0; i < options->n_images; i++)
		if (read_image(images, options->images[i], err) < 0)
			return -1;
	if (!images->n && !images->all && !images->find && !options->force)
		return error_set(err, "no image to keep is given: nothing is changed");
	return 0;
}

static bool is_named(const struct reference *reference, const char *exact,
		     const struct published *image)
{
	return exact ? !strcmp(exact, image->name) : reference_matches(reference, image->name);
}

/* A digest beside the tag is that of the manifest. */
static bool has_digest(const struct reference *reference, const struct published *image)
{
	return !reference->tag || !reference_is_pinned(reference) ||
	       digest_equal(&reference->digest, &image->manifest);
}

/* Marks the images that the reference means, and adds their names; false if there is none. */
static bool find_meant(const struct reference *reference, const struct inventory *inventory,
		       bool *meant, struct strset *names)
{
	AUTO_FREE char *exact = reference_is_pattern(reference) ? NULL : reference_name(reference);
	bool found = false;

	for (size_t k = 0; k < inventory->n_images; k++) {
		const struct published *image = &inventory->images[k];

		if (!is_named(reference, exact, image) || !has_digest(reference, image))
			continue;
		strset_add(names, image->name);
		found = meant[k] = true;
	}
	return found;
}

/* A name is removed for all platforms, so all of its images have to be meant. */
static void sort_out(struct gc_images *images, const struct strset *names,
		     const struct inventory *inventory, const bool *meant)
{
	for (size_t k = 0; k < inventory->n_images; k++)
		if (!meant[k] && strset_has(names, inventory->images[k].name))
			strset_add(&images->shared, inventory->images[k].name);
	for (size_t i = 0; i < names->n; i++)
		if (!strset_has(&images->shared, names->list[i]))
			strset_add(&images->unwanted, names->list[i]);
}

void gc_images_find(struct gc_images *images, const struct inventory *inventory)
{
	AUTO_FREE bool *meant = xcalloc(inventory->n_images, sizeof(*meant));
	AUTO_STRSET names = {NULL};

	if (!images->find)
		return;
	strset_free(&images->unwanted);
	strset_free(&images->missing);
	strset_free(&images->shared);
	for (size_t i = 0; i < images->n; i++) {
		AUTO_FREE char *text = reference_format(&images->references[i]);

		if (!find_meant(&images->references[i], inventory, meant, &names))
			strset_add(&images->missing, text);
	}
	sort_out(images, &names, inventory, meant);
}

void gc_images_unpublished(const struct gc_images *images, const struct inventory *inventory,
			   struct strset *unpublished)
{
	for (size_t i = 0; i < images->n; i++) {
		AUTO_FREE char *name = reference_name(&images->references[i]);
		bool found = strset_has(&images->unwanted, name);

		for (size_t k = 0; !found && k < inventory->n_images; k++)
			found = reference_matches(&images->references[i],
						  inventory->images[k].name);
		if (!found)
			strset_add(unpublished, name);
	}
}

/* For images that match an unexpanded pattern, it is unknown whether they are wanted. */
enum gc_wanted gc_images_wanted(const struct gc_images *images, const char *name)
{
	if (strset_has(&images->unwanted, name))
		return GC_UNWANTED;
	if (images->all || strset_has(&images->wanted, name))
		return GC_WANTED;
	for (size_t i = 0; i < images->n && !images->some; i++)
		if (reference_is_pattern(&images->references[i]) &&
		    reference_matches(&images->references[i], name))
			return GC_KEPT;
	return images->some ? GC_KEPT : GC_UNWANTED;
}

char *gc_images_list(const struct strset *names)
{
	struct buffer text = {0};

	for (size_t i = 0; i < names->n && i < LISTED; i++)
		buffer_addf(&text, "%s%s", i ? ", " : "", names->list[i]);
	if (names->n > LISTED)
		buffer_addf(&text, " and %zu other%s", names->n - LISTED,
			    text_plural(names->n - LISTED));
	return buffer_steal(&text);
}

void gc_images_free(struct gc_images *images)
{
	for (size_t i = 0; i < images->n; i++)
		reference_free(&images->references[i]);
	free(images->references);
	strset_free(&images->wanted);
	strset_free(&images->unwanted);
	strset_free(&images->missing);
	strset_free(&images->shared);
	*images = (struct gc_images){NULL};
}

/*
 * Samples of the layers of a repository, in the store (ducc-store(5), known/): they find
 * layers with content that a new layer has, among 100,000, without reading listings.
 *
 * A sample is a part of the SHA-256 of a file.  Files of a mebibyte and more are sampled, and
 * one in 64 of the others, selected by their SHA-256: a file is sampled in all layers or none.
 *
 * Missing or wrong samples cost time or space, but no correctness: they suggest layers whose
 * listings are to be compared.
 */
#ifndef DUCC_SAMPLES_H
#define DUCC_SAMPLES_H

#include "content/tree.h"
#include "repo/repository.h"
#include "store/store.h"

struct samples;

/* Opens the samples of a repository; the caller keeps both arguments. */
struct samples *samples_new(const struct store *store, const struct repository *repository);
void samples_free(struct samples *samples);

/* Adds a file of a layer, if it is one to sample; those of a layer are added in sequence. */
void samples_add(struct samples *samples, const struct digest *layer, const struct file *file);

/* The bytes added, and cutting back to them. */
size_t samples_mark(const struct samples *samples);
void samples_cut(struct samples *samples, size_t mark);

/* Writes what was added to the store, without layers that are there; failure is harmless. */
void samples_save(struct samples *samples);

/* Files to look for: wants_add() ignores a file that is not one to sample. */
struct wants {
	struct want {
		uint32_t sample;
		uint64_t bytes; /* that it stands for */
	} * list;
	size_t n, capacity;
};
void wants_add(struct wants *wants, const struct file *file);

/*
 * Finds published layers that have most of the files between them, at most `max`; returns
 * their number.  Changes the wants.
 */
size_t samples_find(struct samples *samples, struct wants *wants, struct digest *layers,
		    size_t max);

#endif

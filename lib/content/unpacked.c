/* Unpacked layers and images in the store: see unpacked.h. */
#include "content/unpacked.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "content/layer_tar.h"
#include "store/staged.h"

#define WRONG_SIZE "its size is not that in its listing"

static int damaged(const struct store *store, const char *name, int fd, const char *why,
		   ducc_error **err)
{
	store_discard(store, name, fd, why);
	return error_set_kind(err, store->keep ? DUCC_CORRUPT : DUCC_DAMAGED,
			      "%s/%s is damaged: %s (run ducc-unpack again)", store->path, name,
			      why);
}

/* True for DIRECTORY/HEX.mtree with that digest. */
static bool is_named_by(const struct digest *digest, const char *name)
{
	return !strncmp(strrchr(name, '/') + 1, digest->hex, DIGEST_HEX_LEN);
}

int unpacked_open_listing(const struct store *store, const char *name, ducc_error **err)
{
	AUTO_CLOSE int fd = store_open_file(store, name, err);
	struct digest subject;

	if (fd < 0)
		return -1;
	if (listing_subject(fd, &subject))
		return is_named_by(&subject, name)
			       ? steal_fd(&fd)
			       : damaged(store, name, fd, "it names another layer or image", err);
	if (!errno && listing_is_old(fd))
		return error_set_kind(err, DUCC_NOT_FOUND,
				      "%s/%s is of an earlier version (run ducc-unpack first)",
				      store->path, name);
	if (errno)
		return error_errno(err, errno, "%s/%s", store->path, name);
	return damaged(store, name, fd, "no digest or header at its beginning", err);
}

/* Discards a file for an error in it, but not for one of the system. */
static int blame(const struct store *store, const char *name, int fd, ducc_error *error,
		 ducc_error **err)
{
	const char *why = ducc_error_message(error);

	if (ducc_error_kind(error) != DUCC_CORRUPT) {
		error_give(err, error);
		return error_wrap(err, "%s/%s", store->path, name);
	}
	if (!strncmp(why, LISTING_DAMAGED, strlen(LISTING_DAMAGED)))
		why += strlen(LISTING_DAMAGED);
	damaged(store, name, fd, why, err);
	ducc_error_free(error);
	return -1;
}

int unpacked_check_listing(const struct store *store, const char *name, int fd, ducc_error **err)
{
	ducc_error *error = NULL;

	return listing_check(fd, &error) < 0 ? blame(store, name, fd, error, err) : 0;
}

struct tree *unpacked_read_listing(const struct store *store, const char *name,
				   struct listing_head *head, ducc_error **err)
{
	AUTO_CLOSE int fd = unpacked_open_listing(store, name, err);
	ducc_error *error = NULL;
	struct tree *tree = fd < 0 ? NULL : listing_read(fd, head, &error);

	if (error)
		blame(store, name, fd, error, err);
	return tree;
}

int unpacked_open_tar(const struct store *store, const struct digest *layer, ducc_error **err)
{
	AUTO_FREE char *name = store_layer_tar_name(layer);

	return store_open_file(store, name, err);
}

/* True if the tar is that of the listing, and has the size in it; false with errno set if unknown. */
static bool is_whole(int tar, const struct digest *layer, int listing)
{
	struct listing_head head;
	struct stat st;

	if (!listing_head_of(listing, &head) || fstat(tar, &st) < 0)
		return false;
	errno = 0;
	return digest_equal(&head.layer, layer) && (uint64_t)st.st_size == head.unpacked;
}

int unpacked_has_tar(const struct store *store, const struct digest *layer, int listing,
		     ducc_error **err)
{
	AUTO_FREE char *name = store_layer_tar_name(layer);
	ducc_error *error = NULL;
	AUTO_CLOSE int fd = store_open_file(store, name, &error);
	bool whole;

	if (fd < 0)
		return error_pass_failure(err, error);
	whole = is_whole(fd, layer, listing);
	return whole || !errno ? whole : error_errno(err, errno, "%s/%s", store->path, name);
}

void unpacked_discard_part(const struct store *store, const struct digest *layer, int listing)
{
	AUTO_FREE char *name = store_layer_tar_name(layer);
	AUTO_CLOSE int fd = store_open_file(store, name, NULL);

	if (fd >= 0 && !is_whole(fd, layer, listing) && !errno)
		store_discard(store, name, fd, WRONG_SIZE);
}

static int drop(void *ctx, const void *data, size_t len, ducc_error **err)
{
	(void)ctx;
	(void)data;
	(void)len;
	(void)err;
	return 0;
}

static int check_entry(struct layer_tar *tar, struct tree *tree, const char *path, ducc_error **err)
{
	struct node *node;
	int result = layer_tar_node(tar, tree, path, &node, err);

	if (result < 0 ||
	    (result && tar->has_content && layer_tar_copy(tar, node->file, drop, NULL, err) < 0))
		return error_wrap(err, "%s", path);
	return 0;
}

/* What a reader ignores may be missing at the end. */
static int check_size(int tar, const struct listing_head *head, ducc_error **err)
{
	struct stat st;

	if (fstat(tar, &st) < 0)
		return error_errno(err, errno, "stat");
	return (uint64_t)st.st_size == head->unpacked
		       ? 0
		       : error_set_kind(err, DUCC_CORRUPT, WRONG_SIZE);
}

int unpacked_compare(int tar, const struct listing_head *head, struct tree *tree, ducc_error **err)
{
	AUTO_LAYER_TAR reader;
	const char *path;
	int result = 1;

	layer_tar_open(&reader, tar, &head->layer);
	while (result > 0 && (result = layer_tar_next(&reader, &path, err)) > 0)
		if (check_entry(&reader, tree, path, err) < 0)
			return -1;
	return result < 0 || layer_tar_check_end(tree, err) < 0 ? -1 : check_size(tar, head, err);
}

int unpacked_verify(const struct store *store, const struct digest *layer, ducc_error **err)
{
	AUTO_FREE char *tar_name = store_layer_tar_name(layer);
	AUTO_FREE char *listing_name = store_layer_listing_name(layer);
	AUTO_STAGED lock = STAGED_NONE;
	AUTO_CLOSE int fd = -1;
	AUTO_TREE *tree = NULL;
	struct listing_head head;
	ducc_error *error = NULL;
	int result = -1;

	/* Whoever replaces the tar replaces the listing after it. */
	if (staged_begin(&lock, store, listing_name, false, err) < 0)
		return -1;
	tree = unpacked_read_listing(store, listing_name, &head, err);
	fd = tree ? store_open_file(store, tar_name, err) : -1;
	if (fd >= 0)
		result = unpacked_compare(fd, &head, tree, &error);
	return error ? blame(store, tar_name, fd, error, err) : result;
}

void unpacked_verify_all(const struct store *store, const struct manifest *manifest,
			 ducc_error **err)
{
	for (size_t i = 0; i < manifest->n; i++) {
		ducc_error *damage = NULL;

		unpacked_verify(store, &manifest->layers[i].digest, &damage);
		if (damage && ducc_error_kind(damage) == DUCC_DAMAGED)
			error_reclassify(err, DUCC_DAMAGED);
		ducc_error_free(damage);
	}
}

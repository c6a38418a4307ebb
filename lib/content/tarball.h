/*
 * Writing a plain tar (ustar, with pax headers only where necessary), with names relative to
 * the repository: for a layer, all in .layers/xx/HEX/layerfs, or for other files that
 * are added to a repository.
 *
 * A finished tar ends with two zero blocks, which a later tarball_append() overwrites.
 */
#ifndef DUCC_TARBALL_H
#define DUCC_TARBALL_H

#include "base/error.h"
#include "content/tree.h"

#define TAR_BLOCK 512
#define TAR_TRAILER ((off_t)2 * TAR_BLOCK)

struct tarball;

/*
 * Starts a tar at the current offset of the file `fd`, which the caller owns.  All its
 * names are beneath `directory` ("": unchanged).
 */
struct tarball *tarball_new(int fd, const char *directory);

/* The same, but passes the tar to write(), which returns 0, or -1 with *err set. */
struct tarball *tarball_to(int (*write)(void *ctx, const void *data, size_t len, ducc_error **err),
			   void *ctx, const char *directory);

/* Appends to a tar that tarball_finish() completed. */
struct tarball *tarball_append(int fd, const char *directory, ducc_error **err);

/* The same, after truncating the tar at `offset`, the end of an entry. */
struct tarball *tarball_resume(int fd, const char *directory, uint64_t offset, ducc_error **err);

/*
 * Adds an entry for `path`; "" is `directory` itself.  If hardlink is given, as a full
 * name (".layers/..."), the entry is a hard link to it.  The content of a regular file,
 * exactly file->size bytes, must follow with tarball_data().
 */
int tarball_entry(struct tarball *tarball, const char *path, const struct file *file,
		  const char *hardlink, ducc_error **err);
int tarball_data(struct tarball *tarball, const void *data, size_t len, ducc_error **err);
/* The same as a callback: ctx is the tarball. */
int tarball_sink(void *ctx, const void *data, size_t len, ducc_error **err);

/* Adds a whiteout: a character device 0:0. */
int tarball_whiteout(struct tarball *tarball, const char *path, ducc_error **err);

/* The offset of the next byte in the file. */
uint64_t tarball_offset(const struct tarball *tarball);

/* Finishes the last entry and writes buffered data. */
int tarball_flush(struct tarball *tarball, ducc_error **err);

/* Writes buffered data and the trailer. */
int tarball_finish(struct tarball *tarball, ducc_error **err);
void tarball_free(struct tarball *tarball);

static inline void tarball_cleanup(struct tarball **tarball)
{
	tarball_free(*tarball);
}

#define AUTO_TARBALL __attribute__((cleanup(tarball_cleanup))) struct tarball

#endif

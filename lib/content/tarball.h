/*
 * Writing a plain tar (POSIX pax where ustar can't say it), in repository
 * coordinates: a layer's with every name in .layers/xx/HEX/layerfs, or what a
 * repository gets beside layers.
 *
 * The tar always ends with two zero blocks, which a later tarball_append()
 * overwrites.
 */
#ifndef DUCC_TARBALL_H
#define DUCC_TARBALL_H

#include "base/error.h"
#include "content/tree.h"

#define TAR_BLOCK 512
#define TAR_TRAILER ((off_t)2 * TAR_BLOCK)

struct tarball;

/*
 * Starts a tar at the beginning of the file `fd`, which stays the caller's.  All its
 * names are beneath `directory` ("": as they are).
 */
struct tarball *tarball_new(int fd, const char *directory);

/* Goes on with a tar that tarball_finish() has ended. */
struct tarball *tarball_append(int fd, const char *directory, ducc_error **err);

/* The same with one that is cut off at `offset`, where an entry ended. */
struct tarball *tarball_resume(int fd, const char *directory, uint64_t offset, ducc_error **err);

/*
 * Adds an entry for `path`, which is `directory` itself if it is "".  With hardlink,
 * a whole name (".layers/..."), the entry is a hard link to that.  The content of a regular file, exactly file->size bytes,
 * must follow with tarball_data().
 */
int tarball_entry(struct tarball *tarball, const char *path, const struct file *file,
		  const char *hardlink, ducc_error **err);
int tarball_data(struct tarball *tarball, const void *data, size_t len, ducc_error **err);

/* Adds a whiteout: a character device 0:0. */
int tarball_whiteout(struct tarball *tarball, const char *path, ducc_error **err);

/* Where in the file the next byte goes. */
uint64_t tarball_offset(const struct tarball *tarball);

/* Ends the last entry, and writes what is still buffered. */
int tarball_flush(struct tarball *tarball, ducc_error **err);

/* Writes the trailer and what is still buffered. */
int tarball_finish(struct tarball *tarball, ducc_error **err);
void tarball_free(struct tarball *tarball);

static inline void tarball_cleanup(struct tarball **tarball)
{
	tarball_free(*tarball);
}

#define AUTO_TARBALL __attribute__((cleanup(tarball_cleanup))) struct tarball

#endif

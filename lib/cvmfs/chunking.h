/*
 * Files in chunks: which files `cvmfs_server publish` splits, and how a published file is
 * stored.
 */
#ifndef DUCC_CHUNKING_H
#define DUCC_CHUNKING_H

#include "repo/repository.h"

#define CHUNKING_NEVER UINT64_MAX
/* Smaller published files are not in chunks, whatever the configuration was. */
#define CHUNKING_MIN ((uint64_t)64 << 10)

/*
 * Sets *limit to the size in bytes above which `cvmfs_server publish` splits files into chunks,
 * according to the configuration of the repository; to CHUNKING_NEVER if it does not.
 */
int chunking_limit(const struct repository *repository, uint64_t *limit, ducc_error **err);

/* How a published regular file is stored; errno is 0 for an unknown one that has no attributes. */
enum chunking { CHUNKING_UNKNOWN, CHUNKING_WHOLE, CHUNKING_CHUNKS };
enum chunking chunking_of(const struct repository *repository, const char *path);
/*
 * 1 if the published file is in chunks, 0 if not, as all small ones; -1 with errno set if that is
 * unknown.
 */
int chunking_is_in_chunks(const struct repository *repository, const char *path, uint64_t size);

/*
 * Checks that the chunks of a published file, if it is in chunks, add up to its size.  What cannot
 * be looked at is a failure: see error_is_failure().
 */
int chunking_check(const struct repository *repository, const char *path, uint64_t size,
		   ducc_error **err);

/*
 * The text of the file .cvmfsgraft-NAME that makes an empty file NAME another file with the
 * content of the published file `path` of `size` bytes: which objects the repository has it
 * in.  The caller frees it; NULL with *err set.
 */
char *chunking_graft(const struct repository *repository, const char *path, uint64_t size,
		     ducc_error **err);

#endif

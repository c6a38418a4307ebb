/* A blob on its way into a file: see blob.h. */
#include "blob.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "path.h"

void blob_begin(struct blob *blob, const struct descriptor *descriptor, int fd)
{
	*blob = (struct blob){.descriptor = descriptor, .fd = fd, .hasher = hasher_new()};
}

void blob_end(struct blob *blob)
{
	hasher_free(blob->hasher);
}

int blob_restart(struct blob *blob, ducc_error **err)
{
	hasher_reset(blob->hasher);
	blob->done = 0;
	if (lseek(blob->fd, 0, SEEK_SET) < 0 || ftruncate(blob->fd, 0) < 0)
		return error_errno(err, errno, "write");
	return 0;
}

int blob_write(struct blob *blob, const void *data, size_t len, ducc_error **err)
{
	if (len > blob->descriptor->size - blob->done)
		return error_set(err,
				 "size mismatch: more than the %" PRIu64 " bytes it should have",
				 blob->descriptor->size);
	hasher_update(blob->hasher, data, len);
	if (write_all(blob->fd, data, len) < 0)
		return error_errno(err, errno, "write");
	blob->done += len;
	write_behind(blob->fd, blob->done - len, blob->done);
	if (blob->progress)
		blob->progress(blob->ctx, blob->done);
	return 0;
}

int blob_verify(struct blob *blob, ducc_error **err)
{
	uint8_t sha256[SHA256_SIZE];
	struct digest actual;

	if (blob->done != blob->descriptor->size)
		return error_set(err, "size mismatch: %" PRIu64 " bytes instead of %" PRIu64,
				 blob->done, blob->descriptor->size);
	hasher_final(blob->hasher, sha256);
	digest_from_bytes(&actual, sha256);
	if (!digest_equal(&actual, &blob->descriptor->digest))
		return error_set(err, "digest mismatch: the content is " PRI_DIGEST, actual.hex);
	return 0;
}

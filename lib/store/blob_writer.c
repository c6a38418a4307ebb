/* Writing a blob to a file: see blob_writer.h. */
#include "store/blob_writer.h"

#include <errno.h>
#include <inttypes.h>

#include "base/mem.h"
#include "base/path.h"

/* For few large writes: libcurl delivers 16 KiB at a time. */
#define BUFFER_SIZE ((size_t)512 << 10)

void blob_begin(struct blob *blob, const struct descriptor *descriptor, int fd)
{
	*blob = (struct blob){.descriptor = descriptor,
			      .fd = fd,
			      .hasher = hasher_new(),
			      .buffer = xmalloc(BUFFER_SIZE)};
}

void blob_end(struct blob *blob)
{
	hasher_free(blob->hasher);
	free(blob->buffer);
}

int blob_resume(struct blob *blob, ducc_error **err)
{
	uint64_t size = blob->descriptor->size;
	ssize_t n;

	if (lseek(blob->fd, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "read");
	while ((n = file_read(blob->fd, blob->buffer, BUFFER_SIZE, -1)) > 0) {
		if ((uint64_t)n > size - blob->done)
			return blob_restart(blob, err);
		hasher_update(blob->hasher, blob->buffer, (size_t)n);
		blob->done += (uint64_t)n;
	}
	return n < 0 ? error_errno(err, errno, "read") : 0;
}

int blob_restart(struct blob *blob, ducc_error **err)
{
	hasher_reset(blob->hasher);
	blob->done = 0;
	blob->buffered = 0;
	blob->wrong = false;
	if (lseek(blob->fd, 0, SEEK_SET) < 0 || ftruncate(blob->fd, 0) < 0)
		return error_errno(err, errno, "write");
	return 0;
}

int blob_flush(struct blob *blob, ducc_error **err)
{
	hasher_update(blob->hasher, blob->buffer, blob->buffered);
	if (write_all(blob->fd, blob->buffer, blob->buffered) < 0) {
		blob->unwritable = true;
		return error_errno(err, errno, "write");
	}
	write_behind(blob->fd, blob->done - blob->buffered, blob->done);
	blob->buffered = 0;
	return 0;
}

static int report(const struct blob *blob, ducc_error **err)
{
	return blob->progress ? blob->progress(blob->ctx, blob->done, err) : 0;
}

int blob_write(struct blob *blob, const void *data, size_t len, ducc_error **err)
{
	if (len > blob->descriptor->size - blob->done) {
		blob->wrong = true;
		return error_set_kind(err, DUCC_CORRUPT,
				      "size mismatch: more than the expected %" PRIu64 " bytes",
				      blob->descriptor->size);
	}
	while (len) {
		size_t room = BUFFER_SIZE - blob->buffered;
		size_t n = len < room ? len : room;

		memcpy(blob->buffer + blob->buffered, data, n);
		blob->buffered += n;
		blob->done += n;
		data = (const char *)data + n;
		len -= n;
		if (blob->buffered == BUFFER_SIZE && blob_flush(blob, err) < 0)
			return -1;
	}
	return report(blob, err);
}

int blob_verify(struct blob *blob, ducc_error **err)
{
	struct digest actual;

	blob->wrong = true;
	if (blob->done != blob->descriptor->size)
		return error_set_kind(err, DUCC_CORRUPT,
				      "size mismatch: %" PRIu64 " bytes instead of %" PRIu64,
				      blob->done, blob->descriptor->size);
	if (blob_flush(blob, err) < 0)
		return -1;
	report(blob, NULL); /* it is complete, however long that took */
	actual = hasher_digest(blob->hasher);
	if (!digest_equal(&actual, &blob->descriptor->digest))
		return error_set_kind(err, DUCC_CORRUPT, "digest mismatch: content is " PRI_DIGEST,
				      actual.hex);
	blob->wrong = false;
	return 0;
}

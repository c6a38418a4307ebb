/* Compression that libarchive was built without. */
#include <archive.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "content/compression.h"
#include "tap.h"

/* Instead of that of libarchive: built without zstd, it would run a program. */
int archive_read_append_filter(struct archive *archive, int code)
{
	(void)archive;
	(void)code;
	return ARCHIVE_WARN;
}

int main(void)
{
	static const char zstd[] = "\x28\xb5\x2f\xfd\x04\x00\x01\x00\x00\x99\xe9\xd8\x51";
	AUTO_CLOSE int fd = memfd_create("zstd", MFD_CLOEXEC);
	AUTO_INFLATION inflation;
	ducc_error *err = NULL;

	if (fd < 0 || pwrite(fd, zstd, sizeof(zstd) - 1, 0) < 0)
		return 1;
	ok(inflation_open(&inflation, fd, 0, &err) < 0, "zstd fails without support");
	ok(ducc_error_kind(err) == DUCC_SYSTEM, "the data are not to blame");
	says(&err, "zstd is not supported by this libarchive", "the error says why");
	return done_testing();
}

/* The log of transactions: see log.h. */
#include "cvmfs/log.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "content/tarball.h"
#include "ducc.h"

char *log_name(void)
{
	struct timespec now = clock_now();
	struct tm tm;
	char text[32];

	gmtime_r(&now.tv_sec, &tm);
	strftime(text, sizeof(text), "%Y%m%dT%H%M%S", &tm);
	return format(LOG_DIRECTORY "/%s.%09ldZ-%ld", text, now.tv_nsec, (long)getpid());
}

static int write_to_buffer(void *ctx, const void *data, size_t len, ducc_error **err)
{
	(void)err;
	buffer_add(ctx, data, len);
	return 0;
}

int log_print_head(struct buffer *tar, const char *name, time_t now, ducc_error **err)
{
	struct file directory = {.mode = S_IFDIR | 0755, .mtime = now};
	struct file file = {.mode = S_IFREG | 0644, .mtime = now};
	AUTO_TARBALL *tarball = tarball_to(write_to_buffer, tar, "");

	if (tarball_entry(tarball, REPO_METADATA, &directory, NULL, err) < 0 ||
	    tarball_entry(tarball, LOG_DIRECTORY, &directory, NULL, err) < 0 ||
	    tarball_entry(tarball, LOG_LAST, &file, name, err) < 0)
		return -1;
	return tarball_flush(tarball, err);
}

int log_print_tail(struct buffer *tar, const char *name, time_t now, const struct strset *added,
		   ducc_error **err)
{
	struct file file = {.mode = S_IFREG | 0644, .mtime = now};
	AUTO_TARBALL *tarball = tarball_to(write_to_buffer, tar, "");
	AUTO_BUFFER text = {0};

	buffer_adds(&text, "ducc " DUCC_VERSION "\n");
	for (size_t i = 0; i < added->n; i++)
		buffer_addf(&text, "%s\n", added->list[i]);
	file.size = text.len;
	if (tarball_entry(tarball, name, &file, NULL, err) < 0 ||
	    tarball_data(tarball, text.data, text.len, err) < 0)
		return -1;
	return tarball_finish(tarball, err);
}

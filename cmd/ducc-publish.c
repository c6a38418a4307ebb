/* ducc-publish: publish unpacked images, all ready ones in one transaction. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "input.h"
#include "options.h"
#include "output.h"
#include "progress.h"

#define DEFAULT_BATCH 100 /* images */

static struct tool tool;
static unsigned batch_images = DEFAULT_BATCH; /* -b */

static int option(int letter, const char *value)
{
	switch (letter) {
	case 'B':
		return tool_parse_size(value, &tool.options.batch_bytes);
	case 'C':
		tool.options.split = true;
		return 0;
	case 'c':
		tool.options.chunk_bytes = UINT64_MAX;
		return strcmp(value, "off") ? tool_parse_size(value, &tool.options.chunk_bytes) : 0;
	case 'f':
		tool.options.again = true;
		return 0;
	case 'b':
		return tool_parse_number(value, 100000, &batch_images);
	default:
		return -1;
	}
}

static const struct tool_option own[] = {
	{'B', "batch-bytes", "bytes", "size after which a transaction ends"},
	{'b', "batch-images", "images", "number of images in one transaction"},
	{'C', "split", NULL, "also split large files that are published"},
	{'c', "chunk", "bytes", "publish files larger than this in chunks"},
	TOOL_OPTION_FAILED,
	{'f', "force", NULL, "publish everything again"},
	{'w', "wait", "seconds", "how long to wait for other transactions"},
	TOOL_OPTION_WISHES,
	{0},
};

static struct tool tool = {
	.name = "ducc-publish",
	.usage = "[option ...] [image ...]",
	.own = own,
	.option = option,
};

struct batch {
	ducc_record **records;
	size_t n, capacity;
};

static bool same_repository(const ducc_session *session, const ducc_record *a, const ducc_record *b)
{
	return tool_same(ducc_repository(session, a), ducc_repository(session, b));
}

static void add(struct batch *batch, ducc_record *record)
{
	if (batch->n == batch->capacity) {
		batch->capacity = batch->capacity * 2 + 16;
		batch->records = tool_allocated(
			reallocarray(batch->records, batch->capacity, sizeof(*batch->records)));
	}
	batch->records[batch->n++] = record;
}

static void publish(ducc_session *session, struct batch *batch)
{
	size_t done = 0, n;

	progress_start();
	for (; done < batch->n && !tool_is_cancelled(); done += n) {
		ducc_record **records = batch->records + done;
		ducc_error **errors = tool_allocated(calloc(batch->n - done, sizeof(ducc_error *)));

		n = ducc_publish(session, records, batch->n - done, errors);
		for (size_t i = 0; i < n; i++) {
			if (errors[i])
				tool_fail_record(&tool, records[i], errors[i]);
			else
				tool_done(&tool, records[i]);
			ducc_record_free(records[i]);
		}
		free(errors);
	}
	while (done < batch->n)
		ducc_record_free(batch->records[done++]);
	batch->n = 0;
}

int main(int argc, char **argv)
{
	int first = tool_options(&tool, argc, argv);
	ducc_session *session;
	struct input *input;
	struct batch batch = {NULL};
	ducc_record *next;

	umask(S_IWGRP | S_IWOTH); /* a repository is for all users */
	tool_catch_signals(&tool);
	session = tool_session(&tool);
	input = input_new(&tool, argv + first, argc - first, true);
	next = input_next(input, true);
	while (next && !tool_is_cancelled()) {
		/* All records available now, up to one for another repository. */
		do {
			add(&batch, next);
			next = batch.n < batch_images ? input_next(input, false) : NULL;
		} while (next && same_repository(session, batch.records[0], next));
		publish(session, &batch);
		if (!next && !tool_is_cancelled())
			next = input_next(input, true);
	}
	ducc_record_free(next);
	free(batch.records);
	input_free(input);
	ducc_close(session);
	return tool_status(&tool);
}

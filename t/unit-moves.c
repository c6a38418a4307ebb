/* The lines of the progress on a terminal: the images that they name. */
#include "../cmd/moves.h"

#include <stdlib.h>

#include "../cmd/tool.h"
#include "tap.h"

#define LAYER "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

void *tool_allocated(void *pointer)
{
	return pointer ? pointer : (abort(), NULL);
}

bool tool_same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static void report(enum ducc_progress_state state, uint64_t done, const char *image)
{
	const struct ducc_progress progress = {.what = LAYER,
					       .done = done,
					       .total = 2000000,
					       .image = image,
					       .activity = DUCC_PUBLISHING,
					       .state = state};

	moves_report(&progress, 0);
}

static void shows(const char *want, const char *title)
{
	char *line = moves_line(0, 79, 1);

	is_string(line, want, title);
	free(line);
}

int main(void)
{
	moves_begin_images(2);
	report(DUCC_WAITING, 0, "quay.io/org/app:1");
	shows(NULL, "what waits is not shown");
	report(DUCC_MOVING, 500000, NULL);
	shows("  publishing 0123456789ab   25 %    0.5 of   2.0 MB  quay.io/org/app:1",
	      "a report without an image is about that of an earlier one");
	report(DUCC_MOVING, 1000000, NULL);
	shows("  publishing 0123456789ab   50 %    1.0 of   2.0 MB  quay.io/org/app:1", "... each");
	report(DUCC_ENDED, 2000000, NULL);
	shows(NULL, "... as is its end");
	report(DUCC_MOVING, 0, NULL);
	shows("  publishing 0123456789ab    0 %    0.0 of   2.0 MB", "of several, none is named");
	report(DUCC_ENDED, 0, NULL);
	report(DUCC_MOVING, 500000, "quay.io/org/app:1");
	report(DUCC_MOVING, 1000000, "quay.io/org/app:2");
	shows("  publishing 0123456789ab   25 %    0.5 of   2.0 MB  quay.io/org/app:1",
	      "reports for two images");
	report(DUCC_ENDED, 0, "quay.io/org/app:1");
	shows("  publishing 0123456789ab   50 %    1.0 of   2.0 MB  quay.io/org/app:2",
	      "... are about two things");
	moves_end_image();
	moves_end_image();
	ok(!moves_any(), "at the end, nothing moves");
	return done_testing();
}

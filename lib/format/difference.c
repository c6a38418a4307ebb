/* Differences as lines: see ducc.h. */
#include "base/buffer.h"
#include "base/mem.h"
#include "base/text.h"
#include "ducc.h"

char *ducc_difference_format(const struct ducc_difference *difference)
{
	const char *const members[] = {difference->kind, difference->object, difference->path,
				       difference->expected, difference->found};
	struct buffer line = {0};

	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		const char *text = members[i] && *members[i] ? members[i] : NULL;

		if (i)
			buffer_addc(&line, '\t');
		/* A member that is literally `-' must not look absent. */
		text_add_escaped(&line, text ? text : "-", text && !strcmp(text, "-") ? "-" : "");
	}
	return buffer_steal(&line);
}

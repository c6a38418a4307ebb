/* Out of memory: see mem.h. */
#include "base/mem.h"

#include <errno.h>

void out_of_memory(void)
{
	static const char separator[] = ": out of memory\n";
	const char *name = program_invocation_short_name;

	/* No stdio: it may allocate. */
	if (write(STDERR_FILENO, name, strlen(name)) >= 0 &&
	    write(STDERR_FILENO, separator, sizeof(separator) - 1) >= 0)
		abort();
	abort();
}

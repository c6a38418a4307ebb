/*
 * Processing items in parallel.
 *
 * parallel_run() calls work(ctx, i) for each i < n on at most `jobs` threads, lower numbers
 * first, and returns when all are done: 0, or -1 if any failed; *err is then the error of the
 * lowest item that failed.  A failure does not stop the other items.  `jobs` 0 stands for the
 * number of processors that this process may use.
 */
#ifndef DUCC_PARALLEL_H
#define DUCC_PARALLEL_H

#include <stddef.h>

#include "base/error.h"

int parallel_run(size_t n, unsigned jobs, int (*work)(void *ctx, size_t i, ducc_error **err),
		 void *ctx, ducc_error **err);

/* `jobs`, or what it stands for. */
unsigned parallel_jobs(unsigned jobs);

#endif

/*
 * Processing items in parallel.
 *
 * parallel_run() calls work(ctx, i) for each i < n on at most `jobs` threads, lower numbers
 * first, and returns when all are done: 0, or -1 if any failed; *err is then the error of the
 * lowest item that failed.  A failure does not stop the other items.  `jobs` 0 stands for the
 * number of processors that this process may use.
 *
 * *spare, unless NULL, is set to the number of jobs that have nothing to do: items may use
 * them for threads of their own, with spare_take() and spare_give().
 */
#ifndef DUCC_PARALLEL_H
#define DUCC_PARALLEL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/error.h"

int parallel_run(size_t n, unsigned jobs, int (*work)(void *ctx, size_t i, ducc_error **err),
		 void *ctx, atomic_uint *spare, ducc_error **err);

/* `jobs`, or what it stands for. */
unsigned parallel_jobs(unsigned jobs);

bool spare_take(atomic_uint *spare);
void spare_give(atomic_uint *spare);

#endif

/*
 * What objects preloaded into a tool have in common that make calls fail.  $FAULT is
 * `KIND N CODE COUNT': of the calls of that kind that the process makes, the N-th (from 1) and the
 * COUNT - 1 after it fail with the errno value CODE; with CODE -1, they read or write only one
 * byte; with CODE -9, the process is killed instead of making the call, and with -19 stopped before
 * that.  $FAULT_COUNTS names a file to which, at the end, the number of calls of each kind is written.
 *
 * The including file defines KINDS(each), the names of its kinds.
 */
#ifndef INJECT_H
#define INJECT_H

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum kind {
#define ENUM(name) KIND_##name,
	KINDS(ENUM) N_KINDS
#undef ENUM
};

static const char *const names[] = {
#define NAME(name) #name,
	KINDS(NAME)
#undef NAME
};

#define SHORT (-1) /* instead of an errno value */

static atomic_ulong calls[N_KINDS];
static const char *wanted = "";
static unsigned long first, last;
static int fault;
static bool active;
static FILE *counts; /* opened at once: the tool may confine itself */

__attribute__((constructor)) static void begin(void)
{
	static char kind[32];
	const char *spec = getenv("FAULT"), *path = getenv("FAULT_COUNTS");
	unsigned long count;

	if (spec && sscanf(spec, "%31s %lu %d %lu", kind, &first, &fault, &count) == 4) {
		wanted = kind;
		last = first + count - 1;
	}
	if (path)
		counts = fopen(path, "we");
	active = !strncmp(program_invocation_short_name, "ducc-", 5);
}

__attribute__((destructor)) static void end(void)
{
	bool was_active = active;

	active = false;
	if (!was_active || !counts)
		return;
	for (int i = 0; i < N_KINDS; i++)
		fprintf(counts, "%s %lu\n", names[i], atomic_load(&calls[i]));
	fclose(counts);
}

/* The errno value with which this call fails, SHORT, or 0. */
static int inject(enum kind kind)
{
	unsigned long n;

	if (!active)
		return 0;
	n = atomic_fetch_add(&calls[kind], 1) + 1;
	if (n < first || n > last || strcmp(names[kind], wanted) != 0)
		return 0;
	if (fault >= SHORT)
		return fault;
	raise(-fault); /* sent to the process, another thread might take it, and this one make the call */
	return 0;
}

#endif

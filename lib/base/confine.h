/*
 * Confinement of the calling thread, and of all threads and processes that it starts later.
 *
 * The kernel enforces it until they exit; it can be tightened, but not lifted.  What has been
 * opened before stays usable.  Reading files remains possible.  See landlock(7) and seccomp(2).
 */
#ifndef DUCC_CONFINE_H
#define DUCC_CONFINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* A directory beneath which files may be written. */
struct confine_directory {
	int fd; /* -1: none */
	enum {
		CONFINE_FILES,   /* create, write, rename and remove files and directories */
		CONFINE_ANY,     /* the same with links, devices, FIFOs and sockets */
		CONFINE_UNNAMED, /* write files that exist or have no name */
	} kind;
};

struct confinement {
	const struct confine_directory *directories;
	size_t n;
	bool attributes; /* modes, owners, times and extended attributes may be changed, of any file */
	bool internet; /* sockets may be created: IPv4, IPv6, and netlink for the resolver */
};

/* Which parts the kernel enforces. */
struct confined {
	int landlock; /* version: files, and processes outside; 0: not enforced */
	bool calls;   /* attributes, sockets, starting programs, administering the system */
};

/* Confines as far as the kernel can.  Returns 0, or -1 if it can but has failed. */
int confine(const struct confinement *confinement, struct confined *confined, ducc_error **err);

#endif

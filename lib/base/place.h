/*
 * Places that jobs write to, such as the store, and what to do when one of them is full or closed.
 */
#ifndef DUCC_PLACE_H
#define DUCC_PLACE_H

#include <stdbool.h>

#include "base/error.h"

/*
 * If the error means that there is no space, appends the name of the place, its directory, the
 * file system that it is on, whether that lacks inodes, and how to free space.  Only the first
 * call for an error has an
 * effect: the innermost caller knows best.
 */
void place_advise(ducc_error **err, const char *place, const char *directory, const char *remedy);

/*
 * If the error means that permission was denied, and the user may not read the directory, or with
 * `write` not change it, appends who may, or that its file system is read-only.  If it does not
 * exist, the nearest one above it counts.
 */
void place_advise_denied(ducc_error **err, const char *directory, bool write);

#endif

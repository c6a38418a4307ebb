/*
 * Removing files and whole directories, by paths as in path.h.
 *
 * Functions return -1 with errno set.
 */
#ifndef DUCC_REMOVAL_H
#define DUCC_REMOVAL_H

/* Removes `path`, with all beneath it if it is a directory.  A missing one is no error. */
int path_remove(int root, const char *path);

/* Removes the directories above `path` that are empty, up to `root`. */
int path_prune(int root, const char *path);

#endif

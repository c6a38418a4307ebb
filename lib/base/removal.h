/*
 * Removing files and directory trees; paths are as in path.h.
 *
 * Functions return 0, or -1 with errno set.
 */
#ifndef DUCC_REMOVAL_H
#define DUCC_REMOVAL_H

/* Removes `path`, recursively if it is a directory.  A missing path is not an error. */
int path_remove(int root, const char *path);

/* Removes the empty parent directories of `path`, up to `root`. */
int path_prune(int root, const char *path);

#endif

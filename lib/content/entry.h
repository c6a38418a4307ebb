/*
 * Entries of a directory on disk, as files of a tree.
 */
#ifndef DUCC_ENTRY_H
#define DUCC_ENTRY_H

#include "content/tree.h"

/*
 * The entry `name` of an open directory: its metadata, without extended attributes, but not
 * its content.  NULL with errno set.  Sets *st as well.
 */
struct file *entry_read(int directory, const char *name, struct stat *st);

/*
 * Adds the extended attributes of the entry to `file`: those of the namespaces user, security
 * and trusted, but not those that the host itself sets.  -1 with errno set.
 */
int entry_read_xattrs(struct file *file, int directory, const char *name);

#endif

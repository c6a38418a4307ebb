/*
 * Where a CernVM-FS repository is on this machine.
 *
 * $DUCC_SYSROOT: a directory that stands for /, for tests.
 */
#ifndef DUCC_MOUNT_H
#define DUCC_MOUNT_H

#include "repo/repository.h"

/* /cvmfs/NAME, where everybody sees it; the caller frees it. */
char *mount_path(const struct repository *repository);

/* /var/spool/cvmfs/NAME[/FILE]: the publisher's spool directory; the caller frees it. */
char *mount_spool(const struct repository *repository, const char *file);

/*
 * Finds where the repository can be read: what the publisher's transactions are based on;
 * else the mount that everybody sees; else the copy of its metadata in the store.  While a
 * transaction ends, there may be no mount.
 */
void mount_find(struct repository *repository, const char *store);

#endif

/*
 * Paths of a CernVM-FS repository on this machine.
 *
 * $DUCC_SYSROOT: a directory to use as /, for tests.
 */
#ifndef DUCC_MOUNT_H
#define DUCC_MOUNT_H

#include "repo/repository.h"

/* /cvmfs/NAME, the mount for all users; the caller frees it. */
char *mount_path(const struct repository *repository);

/* /var/spool/cvmfs/NAME[/FILE]: the publisher's spool directory; the caller frees it. */
char *mount_spool(const struct repository *repository, const char *file);

/* /etc/cvmfs/repositories.d/NAME/FILE: its configuration; the caller frees it. */
char *mount_config(const struct repository *repository, const char *file);

/*
 * Finds a path to read the repository: the publisher's read-only mount, the base of its
 * transactions; else the mount for all users; else the copy of its metadata in the store.
 * While a transaction ends, there may be no mount.
 */
void mount_find(struct repository *repository, const char *store);

#endif

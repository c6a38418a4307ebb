/*
 * Repairs after cvmfs_server was killed, where `cvmfs_server abort' would fail.  The caller holds
 * the lock of the spool directory (runner.h); the processes of the killed publisher are gone, and
 * the open transaction is its own.
 */
#ifndef DUCC_RECOVERY_H
#define DUCC_RECOVERY_H

#include "repo/repository.h"

/*
 * Creates the scratch area, which cvmfs_server moves away and creates again at the end of a
 * transaction.  Without it, the mounts cannot be restored.
 */
int recover_scratch(const struct repository *repository, ducc_error **err);

/*
 * Unmounts the publisher's read-only mount if its client was killed: cvmfs_server can mount it
 * again, but not in the place of the dead one.  Without root's privileges, it does nothing.
 */
void recover_mount(const struct repository *repository);

/*
 * Removes the lock of cvmfs_server's publishing if nobody but clients holds it: without systemd,
 * a client that cvmfs_server has mounted inherits the lock, and keeps it if cvmfs_server is
 * killed before it removes the file.
 */
void recover_publishing_lock(const struct repository *repository);

#endif

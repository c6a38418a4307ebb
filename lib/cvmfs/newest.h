/*
 * The newest revision of a CernVM-FS repository.  The publisher's mount has the one of its last
 * transaction: behind a gateway, other machines may have published since.
 *
 * cvmfs_server looks for the newest revision before it gets the lease.  If another machine
 * publishes in between, the transaction is based on an old revision, and the gateway would replace
 * whole catalogs by those of the transaction: the changes of the other machine would be lost.  So
 * every open transaction is checked, and opened again.
 */
#ifndef DUCC_NEWEST_H
#define DUCC_NEWEST_H

#include "base/context.h"
#include "repo/repository.h"

/*
 * Sets *hash, which the caller frees, to that of the root catalog in the publisher's mount.  Returns 1;
 * 0 with *hash NULL if that is no mount of CernVM-FS; or -1.
 */
int newest_mounted(const struct repository *repository, char **hash, ducc_error **err);

/* The number of the revision in the publisher's mount; 0: unknown. */
unsigned long long newest_number(const struct repository *repository);

/*
 * Asks the server of the repository for the newest revision: sets *hash, which the caller frees, of
 * its root catalog, and its number.  Returns 1, 0 if the server is unknown, or -1.  Caches are asked
 * to pass on the question; one that does not may name an earlier revision for a while.
 */
int newest_published(struct context *context, const struct repository *repository, char **hash,
		     unsigned long long *number, ducc_error **err);

/*
 * 1 if the mount has the revision that the server of the repository names, or if no other
 * machine publishes in it; 0 if not; -1 with *err set.
 */
int newest_is_mounted(struct context *context, const struct repository *repository,
		      ducc_error **err);

#endif

/*
 * The newest revision of a CernVM-FS repository.  The publisher's mount has the one of its last
 * transaction: behind a gateway, other machines may have published since.
 */
#ifndef DUCC_NEWEST_H
#define DUCC_NEWEST_H

#include "base/context.h"
#include "repo/repository.h"

/*
 * The hash of its root catalog, as the server of the repository says, which the caller frees;
 * NULL: unknown, maybe after a warning.
 */
char *newest_revision(struct context *context, const struct repository *repository);

#endif

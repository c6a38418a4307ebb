/*
 * CernVM-FS as a kind of repository (repo/target.h).
 */
#ifndef DUCC_CVMFS_H
#define DUCC_CVMFS_H

#include "repo/target.h"

extern const struct target cvmfs_target;

#endif

/*
 * A directory as a kind of repository (target.h).
 */
#ifndef DUCC_DIRECTORY_H
#define DUCC_DIRECTORY_H

#include "repo/target.h"

extern const struct target directory_target;

#endif

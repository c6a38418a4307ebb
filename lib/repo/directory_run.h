/*
 * Carrying out the plan of a commit into a directory (directory.c), or taking it back.
 *
 * Each step may have been done before, in full or in part: the process before was killed.
 */
#ifndef DUCC_DIRECTORY_RUN_H
#define DUCC_DIRECTORY_RUN_H

#include <stdbool.h>

#include "repo/directory_plan.h"

/* True unless it is certain that there is no plan. */
bool directory_has_plan(int repository);

/*
 * Carries out the plan on disk, which ends the transaction.  If that is not possible, takes
 * it back, which ends the transaction, too, and sets *cause.
 */
int directory_run(int repository, ducc_error **cause, ducc_error **err);

/* Removes the directory of the transaction, after directories that it opened are closed. */
int directory_clear(int repository, ducc_error **err);

#endif

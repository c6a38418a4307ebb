/*
 * The log of transactions in a CernVM-FS repository, .metadata/.log/, which also guards an
 * ingest against incomplete input.
 *
 * The first entry of the input is a hard link, .metadata/.log/last, to the last one, a file in
 * the log.  If the input ends early for any reason, that file is missing, and nothing is
 * published.
 */
#ifndef DUCC_LOG_H
#define DUCC_LOG_H

#include <time.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/strset.h"
#include "format/repo_paths.h"

#define LOG_DIRECTORY REPO_METADATA "/.log"
#define LOG_LAST LOG_DIRECTORY "/last"

/* The path of a new file in the log, which the caller frees. */
char *log_name(void);

/* The beginning of the tar for an ingest, with `name` in the log. */
int log_print_head(struct buffer *tar, const char *name, time_t now, ducc_error **err);

/* The end of it: the file, with the directories of the trees that are added. */
int log_print_tail(struct buffer *tar, const char *name, time_t now, const struct strset *added,
		   ducc_error **err);

#endif

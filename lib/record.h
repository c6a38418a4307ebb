/* Records, for the library's own use; the public part is in ducc.h. */
#ifndef DUCC_RECORD_H
#define DUCC_RECORD_H

#include "ducc.h"

/* Replaces the reference, as ducc-fetch does when it pins one. */
void record_set_reference(ducc_record *record, const char *reference);

/* The same again; release it with ducc_record_free(). */
ducc_record *record_copy(const ducc_record *record);

#endif

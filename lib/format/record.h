/* Records, for the library's own use; the public part is in ducc.h. */
#ifndef DUCC_RECORD_H
#define DUCC_RECORD_H

#include "format/reference.h"

/* A record without fields; release it with ducc_record_free(). */
ducc_record *record_new(const struct reference *reference);

/* Replaces the reference, as ducc-fetch does when it pins one. */
void record_set_reference(ducc_record *record, const struct reference *reference);

/* The same again; release it with ducc_record_free(). */
ducc_record *record_copy(const ducc_record *record);

#endif

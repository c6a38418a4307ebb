/* Records, for the library's own use; the public part is in ducc.h. */
#ifndef DUCC_RECORD_H
#define DUCC_RECORD_H

#include "format/reference.h"

/* Like ducc_record_new(), but cannot fail: the reference is valid. */
ducc_record *record_new(const struct reference *reference);

/* Replaces the reference, e.g. when ducc-fetch pins it. */
void record_set_reference(ducc_record *record, const struct reference *reference);

/* Removes the field, if there is one. */
void record_unset(ducc_record *record, const char *key);

#endif

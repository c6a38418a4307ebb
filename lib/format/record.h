/* Records, for the library's own use; the public part is in ducc.h. */
#ifndef DUCC_RECORD_H
#define DUCC_RECORD_H

#include "format/reference.h"

/* As ducc_record_new(), which cannot fail with a reference. */
ducc_record *record_new(const struct reference *reference);

/* Replaces the reference, as ducc-fetch does when it pins one. */
void record_set_reference(ducc_record *record, const struct reference *reference);

#endif

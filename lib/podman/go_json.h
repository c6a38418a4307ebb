/*
 * What Go's JSON decoder takes for a manifest and a config.
 *
 * Podman decodes every image of a store when it lists one, and gives up at a member of another
 * type than its own structures have.  Go finds members without regard to case, and of several
 * takes the last; `null` leaves any member unset.
 */
#ifndef DUCC_GO_JSON_H
#define DUCC_GO_JSON_H

#include "format/json.h"

/*
 * Checks a document: 0, or -1 with *err set to what is wrong where.  Beside types, a manifest's
 * media types must be such that containers/image knows what it is.
 */
int go_json_check_manifest(const char *text, size_t len, ducc_error **err);
int go_json_check_config(const cJSON *config, const char *text, size_t len, ducc_error **err);

#endif

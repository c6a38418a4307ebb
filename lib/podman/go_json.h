/*
 * Checks whether Go's JSON decoder accepts a manifest, a config, and the lists of a store.
 *
 * To list one image of a store, Podman decodes all of them, and fails if a member has a type
 * other than that in its own structures.  Go ignores the case of keys and, of duplicates, uses
 * the last; `null` leaves any member unset.
 */
#ifndef DUCC_GO_JSON_H
#define DUCC_GO_JSON_H

#include "format/json.h"

/*
 * Checks a document: returns 0, or -1 with *err naming the problem and its location.  A manifest
 * must also have media types by which containers/image recognizes its format.
 */
int go_json_check_manifest(const char *text, size_t len, ducc_error **err);
int go_json_check_config(const cJSON *config, const char *text, size_t len, ducc_error **err);

/* The same for an entry of images.json or layers.json. */
int go_json_check_listed(const cJSON *entry, ducc_error **err);

#endif

/*
 * The field repair= of a record: what of the image is to be published again, although it is
 * published, because ducc-check or ducc-fetch found it broken.  Its value is a list, separated by commas:
 * the digests of layers and of a flat root file system (that is, of the config), in hex; `all'
 * for all of them.  It also stands for the names and documents of the image, unless it begins with
 * `layers'.
 */
#ifndef DUCC_REPAIR_H
#define DUCC_REPAIR_H

#include "ducc.h"
#include "format/digest.h"
#include "repo/repository.h"

#define REPAIR_FIELD "repair"
#define REPAIR_ALL "all"
#define REPAIR_NAMES "names"   /* neither a layer nor the flat root file system */
#define REPAIR_LAYERS "layers" /* only those that follow */

/* True if the record says that the layer or flat tree with this digest is to be published again. */
bool repair_has(const ducc_record *record, const struct digest *tree);

/* True if the names and documents are to be repaired, and what is in their way may be replaced. */
bool repair_has_names(const ducc_record *record);

/* Adds a layer, in hex, to what the record says, but not the names and documents. */
int repair_add(ducc_record *record, const char *layer, ducc_error **err);

/*
 * True if the listing of a published layer is damaged, so that no other image can be built on the
 * layer, and the files of the layer can be seen, which show what it has for the sake of others.
 */
bool repair_is_needed(const struct repository *repository, const struct digest *layer);

#endif

/*
 * The field repair= of a record: what of the image is to be published again, although it is
 * published, because ducc-check found it broken.  Its value is a list, separated by commas:
 * the digests of layers and of a flat root file system (that is, of the config), in hex; `all'
 * for all of them.  Any value stands for the names and documents of the image.
 */
#ifndef DUCC_REPAIR_H
#define DUCC_REPAIR_H

#include "ducc.h"
#include "format/digest.h"

#define REPAIR_FIELD "repair"
#define REPAIR_ALL "all"
#define REPAIR_NAMES "names" /* neither a layer nor the flat root file system */

/* True if the record says that the layer or flat tree with this digest is to be published again. */
bool repair_has(const ducc_record *record, const struct digest *tree);

#endif

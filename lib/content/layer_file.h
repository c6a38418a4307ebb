/*
 * The file that an entry of a layer's tar describes, as a Linux file system can store it.
 */
#ifndef DUCC_LAYER_FILE_H
#define DUCC_LAYER_FILE_H

#include "content/tar_reader.h"
#include "content/tree.h"

/*
 * The file of an entry that is no hard link: without content, location and digest.  NULL with
 * *err set if there can be no such file.
 */
struct file *layer_file_new(const struct tar_entry *entry, ducc_error **err);

#endif

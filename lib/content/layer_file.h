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

/*
 * Applies the header of a hard link to its file, as container engines do (createTarFile() in
 * containerd, Docker and containers/storage), once the link is made: they set owner, mode and
 * time, and add extended attributes.  Mode and time of a symbolic link stay.  1 if that changed
 * the file, 0 if not; -1 with *err set, and the file unchanged, if there can be no such file.
 */
int layer_file_link(struct file *file, const struct tar_entry *entry, ducc_error **err);

#endif

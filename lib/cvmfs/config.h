/*
 * The configuration of a CernVM-FS repository on this machine: lines KEY=VALUE of its
 * server.conf.
 */
#ifndef DUCC_CONFIG_H
#define DUCC_CONFIG_H

#include "repo/repository.h"

/* The value of a key, which the caller frees; NULL: not set, or there is no configuration. */
char *config_value(const struct repository *repository, const char *key);

/* True if there is a configuration. */
bool config_exists(const struct repository *repository);

/* True if the repository is published through a gateway, and thus from other machines as well. */
bool config_has_gateway(const struct repository *repository);

#endif

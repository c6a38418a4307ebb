/*
 * The configuration of a CernVM-FS repository on this machine: lines KEY=VALUE of its
 * server.conf.
 */
#ifndef DUCC_CONFIG_H
#define DUCC_CONFIG_H

#include "repo/repository.h"

/*
 * Sets *value, which the caller frees, to that of a key.  Returns 1; 0 with *value NULL if it is not
 * set, or there is no configuration; or -1.
 */
int config_value(const struct repository *repository, const char *key, char **value,
		 ducc_error **err);

/*
 * Sets *text, which the caller frees, to the whole configuration, for several keys that have to agree:
 * it may be replaced meanwhile.  Returns 1; 0 with *text NULL if there is none; or -1.
 */
int config_read(const struct repository *repository, char **text, ducc_error **err);
/* The value of a key in it, which the caller frees; NULL if it is not set. */
char *config_find(const char *text, const char *key);

/*
 * 1 if the repository is published through a gateway, and thus from other machines as well; 0 if not;
 * or -1.
 */
int config_has_gateway(const struct repository *repository, ducc_error **err);

#endif

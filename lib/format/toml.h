/*
 * The subset of TOML that containers-registries.conf(5) needs: tables, arrays of tables,
 * and keys with strings, booleans and arrays of strings, whose content is ignored; everything
 * else is an error, and so is a duplicate key in a table.
 */
#ifndef DUCC_TOML_H
#define DUCC_TOML_H

#include "base/error.h"

struct toml_reader {
	/* A header [name], or [[name]] for an element of an array of tables. */
	int (*table)(void *ctx, const char *name, bool is_array, ducc_error **err);
	/* A key of the last table with a string or a boolean; both are NULL for an array. */
	int (*key)(void *ctx, const char *name, const char *text, const bool *boolean,
		   ducc_error **err);
	void *ctx;
};

/* Errors name the line. */
int toml_read(const char *data, size_t len, const struct toml_reader *reader, ducc_error **err);

#endif

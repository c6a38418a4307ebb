/*
 * A stage of a stream: a function that gets one piece after the other, usually from the stage
 * before it, and does something to them.  The stage after it calls stage_next().
 *
 * A stage that is detached runs ahead in a thread of its own, by at most STAGE_AHEAD pieces.
 */
#ifndef DUCC_STAGE_H
#define DUCC_STAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define STAGE_AHEAD 8

/*
 * Gets the next piece: 1, 0 at the end, or -1 with *err set; it is not called again after the
 * last two.  A piece must stay as it is during STAGE_AHEAD more calls for each detached stage
 * from here to where it is used.
 */
typedef int stage_get(void *ctx, const void **data, size_t *len, ducc_error **err);

struct stage {
	stage_get *get;
	void *ctx;
	struct detached *detached; /* NULL: get() is called when a piece is needed */
	bool ended;                /* get() has returned its last piece */
};

/* Gets the next piece, as stage_get() does; after the last one, 0. */
int stage_next(struct stage *stage, const void **data, size_t *len, ducc_error **err);

/* Lets it run ahead from now on; false: there is no thread to be had. */
bool stage_detach(struct stage *stage);

/* Ends its thread, if there is one, whose pieces are lost.  End later stages first. */
void stage_end(struct stage *stage);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_RECLAIM_FREE_H
#define WHEREABOUTS_RECLAIM_FREE_H

/*
 * The second half of reclaim.h: removes what was condemned.
 */

#include "reclaim.h"

/* What cannot be freed is told of and counted; the error is for lack of memory and for what keeps
 * everything from being freed. */
int reclaim_free(const struct reclaim_way *way, const struct audit *audit,
                 const struct reconcile *reconcile, struct reclaim_report *report, struct err *err);

#endif

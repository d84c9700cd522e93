/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_SEATING_H
#define WHEREABOUTS_SEATING_H

/*
 * Which node gets which slice. Pure.
 *
 * A slice whose addresses are held belongs to the node that gave them, whether the object says so,
 * or is gone, or names another. So no slice changes hands while somebody uses it.
 */

#include "core/result.h"
#include "pool.h"
#include "slice-pool.h"

/* The slices of this range whose IPPools have entries, and of which node they are. The nodes' names
 * are owned by `names`. */
int seats_in_use(const struct slicing *slicing, const struct pool_list *pools,
                 struct text_list *names, struct seats *ret, struct err *err);

/* Gives every node a slice: the one that it has or uses, else the lowest free one. `nodes` is
 * sorted. `have` is the object as it is, of the same range and size, or NULL. *ret_without is the
 * number of nodes for which none was left. */
int seats_assign(const struct slicing *slicing, const struct slice_pool *have,
                 const struct seats *in_use, const struct text_list *nodes, struct seats *ret,
                 size_t *ret_without, struct err *err);

#endif

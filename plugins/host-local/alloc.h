/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_LOCAL_ALLOC_H
#define HOST_LOCAL_ALLOC_H

/*
 * The order in which a range set's addresses are tried: round robin behind the address that was
 * given last, so that a released address rests as long as it can. Pure.
 *
 * Behind `last` in its range, then the ranges that follow it, wrapping around, and at the end its
 * own range from the start up to `last` itself. Gateways of their own range are left out.
 */

#include <stdbool.h>
#include <stddef.h>

#include "range.h"

struct alloc_walk {
        const struct range_set *set;
        size_t range;      /* where the walk is */
        struct ip next;    /* the next candidate in that range */
        size_t stop_range; /* where it began: the first address that is not tried again */
        struct ip stop;
        bool started;
};

/* Begins a walk. `last` may be unset or outside of the set: then it begins at the set's start. */
void alloc_start(struct alloc_walk *walk, const struct range_set *set, const struct ip *last);

/* The next candidate, and the range that it lies in; false at the end. */
bool alloc_next(struct alloc_walk *walk, struct ip *ret, const struct range **ret_range);

#endif

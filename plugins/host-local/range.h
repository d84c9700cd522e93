/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_LOCAL_RANGE_H
#define HOST_LOCAL_RANGE_H

/*
 * Ranges and range sets as values. Pure.
 *
 * A range is a part of a subnet with a gateway; a range set is a list of ranges of one family of
 * which an attachment gets one address. The rules and the texts of errors are those that users know
 * from the reference plugin.
 */

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/ip.h"

struct range {
        struct ipnet subnet;  /* unset: missing in the configuration */
        struct ip start, end; /* inclusive; unset before range_set_canonicalize(): the default */
        struct ip gateway;    /* not given to anybody; may lie outside */
};

struct range_set {
        struct range *ranges; /* owned by whoever owns the set */
        size_t count;
};

/* What a range_set_canonicalize() error is about. */
enum range_member {
        RANGE_SUBNET,
        RANGE_START,
        RANGE_END,
};

/* Checks all ranges of a set, fills in the defaults, and checks them against each other.
 * *ret_range and *ret_member tell where the error is: which range, which member. */
int range_set_canonicalize(struct range_set *set, size_t *ret_range, enum range_member *ret_member,
                           struct err *err);

bool range_contains(const struct range *range, const struct ip *ip);
bool range_overlaps(const struct range *a, const struct range *b);

/* The range of the set that contains the address, or NULL. */
const struct range *range_set_find(const struct range_set *set, const struct ip *ip);
bool range_set_overlaps(const struct range_set *a, const struct range_set *b);

/* The number of addresses that can be given away: gateways of their own range are not. Saturates.
 */
uint64_t range_set_size(const struct range_set *set);

/* "START-END,START-END" */
void range_set_format(const struct range_set *set, struct buf *buf);

#endif

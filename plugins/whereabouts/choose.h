/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_CHOOSE_H
#define WHEREABOUTS_CHOOSE_H

/*
 * Which address of a range comes next. Pure.
 *
 * The lowest free one, between the range's bounds and outside of what is excluded. The rules of the
 * bounds are those that users of whereabouts know: the network's first and last address are never
 * given, of either family, and a start or end that does not fit is ignored without a word.
 */

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/ip.h"

/* A range as a configuration gives it. All zeros is an empty one. */
struct range {
        struct ipnet net;       /* the network: host bits are zero */
        struct ip start, end;   /* unset: none. What does not fit is ignored */
        struct ipnet *excludes; /* owned; host bits are zero; of any family, in any order */
        char **exclude_texts;   /* owned, each too: as written, for messages */
        size_t exclude_count;
};

void range_done(struct range *range);

/* Adds what is excluded: a network, or an address that stands for itself alone; leading zeros are
 * not taken. CNI_ERR_INTERNAL with the text that users know. */
int range_add_exclude(struct range *range, const char *text, struct err *err);

/* The first and last address that may be given. CNI_ERR_INTERNAL when the network is too small,
 * with Go's text of it. */
int choose_bounds(const struct range *range, struct ip *ret_first, struct ip *ret_last,
                  struct err *err);

/* Outcome > 0. */
enum {
        CHOOSE_EXHAUSTED = 1,
};

/* The lowest address of the range that is in no exclude and that `is_taken` does not know. It is
 * asked in ascending order, at most once for an address. Returns 0, CHOOSE_EXHAUSTED (err holds the
 * text for the user, CNI_ERR_INTERNAL), or an error. Never iterates over an exclude. */
int choose_address(const struct range *range,
                   bool (*is_taken)(const struct ip *ip, const void *context), const void *context,
                   struct ip *ret, struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_SLICING_H
#define WHEREABOUTS_SLICING_H

/*
 * How a network is cut into slices for its nodes, as its NetworkAttachmentDefinition says. Pure.
 *
 * Slice number k of a range begins k slices behind the range's first address.
 */

#include <stdbool.h>

#include "core/buf.h"
#include "core/ip.h"
#include "core/json.h"

struct slicing {
        char *whose;        /* the definition, "NAMESPACE/NAME" */
        char *since;        /* its creationTimestamp; "" when absent */
        char *pool;         /* name of the NodeSlicePool */
        char *network_name; /* prefix of the pools' names; NULL: none */
        struct ipnet range; /* host bits are zero */
        unsigned prefix;    /* of each slice; not shorter than the range's */
};

struct slicing_list {
        struct slicing *items; /* owned; by pool, then by age, then by name */
        size_t count;
        size_t unclear; /* definitions that could not be read: nobody knows what they want */
        struct buf *complaints; /* borrowed; a line for each of these */
};

void slicing_list_init(struct slicing_list *list, struct buf *complaints);
void slicing_list_done(struct slicing_list *list);

/* Adds what a NetworkAttachmentDefinition wants; `dst` is a struct slicing_list. What is no
 * whereabouts network, or one without slices, is passed over; what makes no sense gets its
 * complaint. Fails for lack of memory, or for what is no such object at all. */
int slicing_list_read(const struct json_at *at, void *dst, struct err *err);

/* Brings the list into its order. */
void slicing_list_sort(struct slicing_list *list);

/* "/26" or "26". Returns 0 or -EINVAL. */
int slicing_parse_size(const char *text, unsigned *ret);

/* How many slices there are; UINT64_MAX for 2^64 and more. */
uint64_t slicing_count(const struct ipnet *range, unsigned prefix);

/* Slice number k. */
struct ipnet slicing_net(const struct ipnet *range, unsigned prefix, uint64_t k);

/* The number of a network that is a slice; false for one that is none. */
bool slicing_number(const struct ipnet *range, unsigned prefix, const struct ipnet *net,
                    uint64_t *ret);

#endif

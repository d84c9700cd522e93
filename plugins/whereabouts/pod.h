/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_POD_H
#define WHEREABOUTS_POD_H

/*
 * What Pod and Node objects say about addresses, as values. Pure.
 *
 * Which addresses a pod has stands in an annotation that Multus writes once all interfaces are
 * there. Without Multus there is none, and then nothing is known.
 */

#include <stdbool.h>

#include "core/ip.h"
#include "core/json.h"

/* An interface of the annotation with one of its addresses; unset: it names none. */
struct pod_address {
        char *ifname; /* owned; "" when it is not named */
        struct ip ip;
};

struct pod {
        char *namespace, *name, *uid; /* owned; "" when absent */
        bool terminating;             /* it has a deletionTimestamp */
        bool told; /* the annotation is there, makes sense and names an interface */
        struct pod_address *addresses; /* owned; the annotation's */
        size_t address_count;

        /* The rest is not in metadata alone. */
        char *node;   /* owned; "": none yet */
        char *phase;  /* owned; "" when absent */
        bool working; /* a container of it is said to run */
        bool evicted; /* by the taint manager, from a node that does not answer */
};

void pod_done(struct pod *pod);
int pod_parse(const char *text, size_t len, struct pod *ret, struct err *err);

/* The same for an element of a list. */
int pod_read(const struct json_at *at, struct pod *ret, struct err *err);

/* Whether the annotation has the address, on whichever interface, the cluster's network included.
 */
bool pod_shows(const struct pod *pod, const struct ip *ip);

/* Whether it tells what the interface has, or else of all interfaces what they have: then what it
 * does not show is not there. `ifname` NULL: not known. */
bool pod_tells(const struct pod *pod, const char *ifname);

/* Whether the administrator has declared the Node to be shut down (taint out-of-service). */
int node_parse(const char *text, size_t len, bool *ret_out, struct err *err);

#endif

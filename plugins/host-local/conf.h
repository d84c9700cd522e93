/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_LOCAL_CONF_H
#define HOST_LOCAL_CONF_H

/*
 * The configuration of one call, typed and checked. Right of here nothing is untrusted text.
 */

#include "core/cni.h"
#include "range.h"

#define CONF_DATA_DIR "/var/lib/cni/networks"

/* What every verb needs: where the network's reservations are. */
struct place {
        char *path;           /* of the network's directory; owned */
        bool reclaim_on_boot; /* ipam.reclaimOnBoot: drop what an earlier boot left */
};

void place_done(struct place *place);

/* Reads only the place, so that DEL, CHECK and GC work whatever became of the rest. */
int conf_read_place(const struct cni_call *call, struct place *ret, struct err *err);

struct ip_list {
        struct ip *items; /* owned */
        size_t count;
};

struct range_set_list {
        struct range_set *items; /* owned, as are the ranges of each */
        size_t count;
};

struct conf {
        struct place place;
        struct range_set_list sets; /* canonical, not overlapping, at least one */
        struct ip_list requested;   /* no two equal, in order of their sources */
        struct route_list routes;
        char *resolv_conf;  /* NULL or "": none */
        bool strict_status; /* ipam.strictStatus: STATUS fails when a set is exhausted */
};

void conf_done(struct conf *conf);

/* Reads everything, with all checks, for ADD and STATUS. */
int conf_read(const struct cni_call *call, struct conf *ret, struct err *err);

#endif

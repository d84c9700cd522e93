/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_OVERLAP_H
#define WHEREABOUTS_OVERLAP_H

/*
 * OverlappingRangeIPReservation objects: one per address, whatever its range. The object's name is
 * the address, so creating it is the atomic claim of that address among all pools. Pure.
 */

#include <stdbool.h>

#include "core/buf.h"
#include "core/ip.h"
#include "core/json.h"

/* Texts are borrowed from the document. Metadata alone, as in a brief answer, is one of nobody. */
struct reservation {
        const char *name, *uid, *resource_version;
        const char *podref;               /* "" when absent */
        const char *ifname, *containerid; /* NULL when absent */
        struct json *document;            /* owned; NULL in a list */
};

void reservation_done(struct reservation *reservation);
int reservation_parse(const char *text, size_t len, struct reservation *ret, struct err *err);

struct reservation_list {
        struct reservation *items; /* owned; ascending by name */
        size_t count;
        struct json *document; /* owned */
};

void reservation_list_done(struct reservation_list *list);
int reservation_list_parse(const char *text, size_t len, struct reservation_list *ret,
                           struct err *err);
const struct reservation *reservation_list_find(const struct reservation_list *list,
                                                const char *name);

/* Appends the object's name: [NETWORK_NAME-]ADDRESS, with '-' for ':' and 0 behind a last '-'. */
void reservation_name(struct buf *buf, const char *network_name, const struct ip *ip);

/* Whose it is. An absent ifname matches any; so does an absent containerid with OWNER_POD only.
 * `podref` NULL is not known: then only the very same container counts. */
enum reservation_owner {
        OWNER_OTHER,     /* another pod's, or another interface's of the same pod */
        OWNER_POD,       /* the same pod and interface; another container, or none is named */
        OWNER_CONTAINER, /* the very same attachment */
};
enum reservation_owner reservation_owner(const struct reservation *reservation, const char *podref,
                                         const char *ifname, const char *container_id);

/* Bodies: of the object that claims an address; of the patch that moves it to another container,
 * under a test of its resourceVersion; of the deletion of just this object. */
void reservation_write_new(struct buf *buf, const char *name, const char *namespace,
                           const char *podref, const char *ifname, const char *container_id);
void reservation_write_move(struct buf *buf, const struct reservation *reservation,
                            const char *container_id);
void reservation_write_delete(struct buf *buf, const struct reservation *reservation);

#endif

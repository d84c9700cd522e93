/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_REQUEST_H
#define WHEREABOUTS_REQUEST_H

/*
 * What one invocation wants from the cluster, and what it gets: typed values that a process can
 * hand to the one that leads its group. As a frame each is one JSON text.
 */

#include "choose.h"
#include "core/result.h"

#define REQUEST_FRAME_MAX (128U * 1024U)

/* Looking at all of them must end soon, whatever a tenant writes. */
#define REQUEST_RANGES_MAX   64U    /* users have up to eight; all are compared with all */
#define REQUEST_EXCLUDES_MAX 65536U /* of all ranges together */

enum request_verb {
        REQUEST_ADD,
        REQUEST_DEL,
};

struct request {
        enum request_verb verb;
        int64_t deadline_ms; /* clock_boot_ms() by which its caller wants to know */

        char *network;      /* the CNI network's name */
        char *container_id; /* CNI_CONTAINERID */
        char *ifname;       /* CNI_IFNAME */
        char *podref;       /* "NAMESPACE/NAME"; NULL when a DEL came without a pod name */

        char *network_name;   /* prefix of the objects' names; NULL: none */
        char *slice_pool;     /* the NodeSlicePool that gives the ranges; NULL: not in that mode */
        char *node;           /* this node's name, with slice_pool only */
        struct range *ranges; /* owned; in the order of the result's addresses */
        size_t range_count;

        struct ip gateway;     /* unset: none */
        bool allocate_gateway; /* it may be given to a pod */
        bool overlap;          /* addresses are unique over all ranges of network_name */
};

void request_done(struct request *request);

/* Whether the text can be a podref: "NAMESPACE/NAME" with a name, of printable characters, at most
 * 512 bytes. The namespace may be empty. */
bool request_is_podref(const char *text);

/* Whether the text can stand in front of "-ADDRESS" in an object's name, which must be a DNS-1123
 * subdomain. */
bool request_is_prefix(const char *text);

/* Whether two texts of requests are the same; an absent one is as good as "". */
bool request_same_text(const char *a, const char *b);

/* Outcome of a DEL: what is left to do is on disk, and a later call does it. `err` says why. */
enum {
        ANSWER_REMEMBERED = 1,
};

/* The answer: addresses in the order of the ranges, or an error. */
struct answer {
        struct ipnet *addresses; /* owned */
        size_t count;
        bool held;      /* of an ADD: an earlier ADD had been given them already */
        int r;          /* 0, ANSWER_REMEMBERED or < 0 */
        struct err err; /* with r != 0 */
};

void answer_done(struct answer *answer);
int answer_add(struct answer *answer, const struct ipnet *address, struct err *err);

/* As one frame, and back. Decoding checks everything that the configuration's reader would have
 * checked: names, lengths, families. A frame of another version is CNI_ERR_DECODE, and so is
 * whatever else is wrong with one. What cannot be decoded is not encoded either: CNI_ERR_INTERNAL,
 * also for a frame that would be longer than REQUEST_FRAME_MAX. */
int request_encode(const struct request *request, struct buf *buf, struct err *err);
int request_decode(const char *text, size_t len, struct request *ret, struct err *err);
int answer_encode(const struct answer *answer, struct buf *buf, struct err *err);
int answer_decode(const char *text, size_t len, struct answer *ret, struct err *err);

#endif

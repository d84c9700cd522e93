/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DHCP_RECORD_H
#define DHCP_RECORD_H

/*
 * All that has to be known of one attachment to go on with its lease after a restart. Values in,
 * JSON out, and back. Pure; `state` keeps the files.
 */

#include "grant.h"
#include "net/link.h"
#include "profile.h"

/* What was asked for and may be granted already, for all that we know. */
struct offer {
        struct ip address; /* unset: nothing is under way */
        struct ip server;
        struct link_address server_hardware;
};

struct record {
        struct key key;
        char *netns;     /* path, absolute, or ""; owned */
        uint64_t cookie; /* of the namespace; 0: this kernel has none */
        int nsid;        /* -1: none */
        int ifindex;
        uint16_t hardware_type; /* ARPHRD_* */
        struct link_address hardware;
        struct profile profile;
        struct offer offer;
        struct grant grant;
        bool lost;      /* the grant has run out, or must not be used any more */
        bool withdrawn; /* the loss policy has taken the address off the link (or the link down) */
        struct link_routes routes; /* what `deconfigure` took off the link, to be put back */
};

void record_done(struct record *record);

/* "version": 1 first, then the boot id: a record of another boot is worth nothing. One that could
 * not be read again is not written (-EINVAL). */
int record_encode(const struct record *record, const char *boot_id, struct buf *buf,
                  struct err *err);

/* Outcomes > 0. */
enum {
        RECORD_OTHER_VERSION = 1, /* is left alone */
        RECORD_OTHER_BOOT,
};
int record_decode(const char *text, size_t len, const char *boot_id, struct record *ret,
                  struct err *err);

#endif

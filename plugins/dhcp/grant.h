/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DHCP_GRANT_H
#define DHCP_GRANT_H

/*
 * What a server granted: address, times, routes, names. Read from an ACK, kept on disk, told to
 * main plugins. Pure.
 */

#include "core/result.h"
#include "msg.h"
#include "profile.h"

#define GRANT_FOREVER UINT32_MAX

struct grant {
        struct ipnet address;                /* unset: there is no grant */
        struct ip server;                    /* its identifier (54) */
        struct link_address server_hardware; /* who sent the ACK's frame: the server, or a relay */
        struct ip broadcast, router;         /* unset: not given */
        int64_t from_ms; /* clock_boot_ms() of when the REQUEST was sent: all times count from it */
        uint32_t lease_s, t1_s, t2_s; /* 0 < t1 < t2 < lease, but t1 and t2 are 0 for a lease of 1
                                       * or 2 s, which has no such seconds; GRANT_FOREVER, all
                                       * three: without end */
        uint32_t mtu;                 /* 0: not given */
        struct route_list routes;     /* as they go into the result, without priority */
        struct dns dns;
};

void grant_done(struct grant *grant);

static inline bool grant_is(const struct grant *grant)
{
        return grant->address.ip.family != IP_UNSET;
}

/* Outcomes > 0. */
enum {
        GRANT_NO_MASK = 1, /* upstream: "DHCP option Subnet Mask not found in DHCPACK" */
        GRANT_BAD,         /* an address that no host can have, no server identifier, a mask with
                            * holes. A gateway that is the address itself is left out instead */
};

/* Whether a host can have the address: not 0/8, loopback, multicast, 240/4 with broadcast. */
bool grant_is_host(const struct ip *ip);

/* Whether it is 0.0.0.0/0. */
bool grant_is_default_route(const struct ipnet *dst);

/* Reads an ACK (or an OFFER). Times: option 51 (3600 s without; 0 counts as 1 s), 58 and 59 made
 * sane: T2 not before the lease's end or 0: 7/8 of the lease; T1 not before T2 or 0: half of the
 * lease, or 4/7 of T2 when that is not before T2; T1 never below min(10 s, lease/3), and a T2 that
 * is not above that counts as not given. Routes as upstream makes them: those of 121 if there are
 * any; else those of 33, then the default by the first router. The first router of option 3 is
 * `router` in any case. Network and broadcast address of their own subnet are GRANT_BAD but for /31
 * and /32.
 */
int grant_read(const struct msg *msg, int64_t from_ms, struct grant *ret, struct err *err);

/* When it ends, is to be renewed, rebound; INT64_MAX: never. In clock_boot_ms(). For a lease of 1
 * or 2 s: after one and two thirds of it. */
int64_t grant_end_ms(const struct grant *grant);
int64_t grant_t1_ms(const struct grant *grant);
int64_t grant_t2_ms(const struct grant *grant);

/* What ADD answers. `suppress`: no gateway, no default route. `dns` only on request. */
int grant_result(const struct grant *grant, const struct profile *profile, struct ipam_result *ret,
                 struct err *err);

/* As JSON, a member `key` (none for no grant), and back (decoder into an empty one, to be given up
 * by grant_done() on failure as well; everything is checked again). */
void grant_put(const struct grant *grant, const char *key, struct json_writer *w);
int grant_decode(const struct json_at *at, void *dst, struct err *err);

#endif

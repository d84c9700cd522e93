/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_LINK_H
#define NET_LINK_H

/*
 * Interfaces of one network namespace, their IPv4 addresses and routes, and the numbers by which
 * namespaces know each other. The only module that names libnl.
 *
 * A struct net is a netlink socket. It belongs for its whole life to the namespace that the thread
 * was in when it was opened, and works from anywhere: so a thread has to be in a namespace only
 * while it opens one.
 */

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/ip.h"

#define LINK_ADDRESS_MAX 32

struct net; /* a netlink socket */

int net_open(struct net **ret, struct err *err);
void net_close(struct net *net);

/* The number of the kernel for the namespace that the socket is in (SO_NETNS_COOKIE, Linux 5.14):
 * never given twice. 0 where there is none. */
uint64_t net_cookie(const struct net *net);

/* A hardware address. */
struct link_address {
        uint8_t bytes[LINK_ADDRESS_MAX];
        uint8_t len;
};

struct link {
        int ifindex;
        char name[IF_NAMESIZE];
        char kind[32];               /* "macvlan", "ipvlan", "veth"; "" for a device without one */
        uint16_t type;               /* ARPHRD_ETHER ... */
        struct link_address address; /* hardware */
        uint32_t mtu;
        bool up;      /* IFF_UP */
        bool carrier; /* IFF_RUNNING: up, and the cable is in */
};

/* Outcome > 0. */
enum {
        LINK_ABSENT = 1, /* no such interface, address, route or number */
};

/* All kinds of link_get* give LINK_ABSENT for an interface that is not there. */
int link_get(struct net *net, const char *name, struct link *ret, struct err *err);
int link_get_by_index(struct net *net, int ifindex, struct link *ret, struct err *err);
int link_set_up(struct net *net, int ifindex, bool up, struct err *err);

/* An IPv4 address of an interface. */
#define LINK_FOREVER UINT32_MAX
struct address {
        struct ipnet net;
        struct ip broadcast;           /* unset: none */
        uint32_t valid_s, preferred_s; /* LINK_FOREVER: without end */
};

/* Whether the interface carries exactly this address and prefix: 0 with *ret filled, or
 * LINK_ABSENT. With LINK_ANY_PREFIX as its prefix only the address matters. */
#define LINK_ANY_PREFIX 255
int link_find_address(struct net *net, int ifindex, const struct ipnet *address,
                      struct address *ret, struct err *err);
/* Adds it, or gives one that is there new lifetimes; the broadcast address of one that is there
 * stays. No route is touched. */
int link_set_address(struct net *net, int ifindex, const struct address *address, struct err *err);
/* LINK_ABSENT when it was not there. The kernel takes the routes that need it, too. */
int link_remove_address(struct net *net, int ifindex, const struct ipnet *address, struct err *err);

/* An IPv4 route with one next hop, over the interface in question. */
struct link_route {
        struct ipnet dst;  /* 0.0.0.0/0: the default */
        struct ip gw, src; /* unset: none; a gateway may be an IPv6 address */
        uint32_t table, metric, mtu, advmss;
        uint8_t scope, protocol, type, tos;
        uint8_t hop_flags; /* RTNH_F_ONLINK */
};
struct link_routes {
        struct link_route *items; /* owned */
        size_t count;
};
void link_routes_done(struct link_routes *routes);

/* Appends the interface's IPv4 routes that do not come back by themselves with its addresses: all
 * tables but `local`, and not those of the kernel's own (RTPROT_KERNEL). */
int link_list_routes(struct net *net, int ifindex, struct link_routes *ret, struct err *err);
/* One that is there already is as good as added. */
int link_add_route(struct net *net, int ifindex, const struct link_route *route, struct err *err);

/* The number (nsid) by which this socket's namespace knows the one behind the descriptor; gives it
 * one if it has none. It keeps nothing alive. */
int link_name_netns(struct net *net, int netns_fd, int *ret_nsid, struct err *err);

/* Whether a namespace has this number there: 0 or LINK_ABSENT. */
int link_find_netns(struct net *net, int nsid, struct err *err);

static inline void net_closep(struct net **net)
{
        net_close(*net);
}

#endif

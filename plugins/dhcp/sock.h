/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DHCP_SOCK_H
#define DHCP_SOCK_H

/*
 * Sockets in a container's network namespace. The thread is inside only while it opens one; a way
 * back that fails aborts, because a root daemon in the wrong namespace must not go on. Packets,
 * filters and ARP; nothing here knows DHCP's states.
 */

#include "core/err.h"
#include "msg.h"
#include "net/link.h"

/* Outcomes > 0. */
enum {
        SOCK_EMPTY = 1,  /* nothing to read now */
        SOCK_NO_ADDRESS, /* the interface does not have the address (EADDRNOTAVAIL) */
        SOCK_BUSY,       /* somebody else has the port (EADDRINUSE) */
        SOCK_LINK_DOWN,  /* ENETDOWN, ENXIO, ENODEV: not a try */
};

/* A netlink socket in the namespace. */
int sock_open_net(int netns_fd, struct net **ret, struct err *err);

/* Receives BOOTREPLYs for port 68 on the interface, sends IP packets. AF_PACKET, filter attached
 * and locked before it is bound. Non-blocking. */
int sock_open_packet(int netns_fd, const struct link *link, int *ret_fd, struct err *err);
/* Holds `local`:68 on the interface: to send from, and so that the kernel does not answer a
 * server's unicast with "port unreachable". What arrives there is read from the packet socket. */
int sock_open_udp(int netns_fd, const struct link *link, const struct ip *local, int *ret_fd,
                  struct err *err);
/* ARP on the interface. */
int sock_open_arp(int netns_fd, const struct link *link, int *ret_fd, struct err *err);

/* An IP packet to a hardware address; NULL: to everybody. 0 or SOCK_LINK_DOWN or < 0. */
int sock_send_packet(int fd, int ifindex, const struct link_address *to, const uint8_t *packet,
                     size_t len, struct err *err);
/* A DHCP message to the server's port 67. */
int sock_send_udp(int fd, const struct ip *server, const uint8_t *payload, size_t len,
                  struct err *err);

struct sock_packet {
        const uint8_t *bytes; /* an IP packet, perhaps with padding; in a buffer that all share */
        size_t len;
        bool for_us;           /* packet type HOST, BROADCAST or MULTICAST, and no VLAN tag */
        bool checksum_pending; /* TP_STATUS_CSUMNOTREADY */
        struct link_address source;
};
int sock_receive(int fd, struct sock_packet *ret, struct err *err);

/* An ARP probe (RFC 5227): sender address 0.0.0.0. */
int sock_send_probe(int fd, int ifindex, const struct link_address *own, const struct ip *ip,
                    struct err *err);
/* Reads one ARP packet: whether it says that another host has, or probes for, `ip`. */
int sock_receive_arp(int fd, const struct link_address *own, const struct ip *ip,
                     bool *ret_conflict, struct err *err);

#endif

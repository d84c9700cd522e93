/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A socket belongs to the namespace in which it was made and works from anywhere, so nothing but
 * socket(2) happens inside.
 *
 * AF_PACKET delivers everything until a filter is attached. So a socket is made without a protocol,
 * gets its filter for good, and is bound last.
 */
#include "sock.h"

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "core/netns.h"

/* An address of a packet socket has room for 8 bytes; InfiniBand's hardware addresses have 20. */
union packet_address {
        struct sockaddr_ll ll;
        struct sockaddr any;
        uint8_t bytes[offsetof(struct sockaddr_ll, sll_addr) + LINK_ADDRESS_MAX];
};

/* ---- inside of a namespace ---- */

struct wanted {
        int family, type; /* of a socket */
        int fd;           /* made */
        struct net *net;  /* made instead, when there is no family */
};

static int make(struct wanted *wanted, struct err *err)
{
        if (wanted->family == AF_UNSPEC)
                return net_open(&wanted->net, err);
        wanted->fd = socket(wanted->family, wanted->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        return wanted->fd < 0 ? err_set(err, -errno, CNI_ERR_INTERNAL, "make a socket") : 0;
}

static int make_inside(int netns_fd, struct wanted *wanted, struct err *err)
{
        struct err way_back;
        int previous, r = netns_enter(netns_fd, &previous, err);

        if (r < 0)
                return r;
        r = make(wanted, err);
        if (netns_leave(previous, &way_back) < 0)
                abort();
        return r;
}

int sock_open_net(int netns_fd, struct net **ret, struct err *err)
{
        struct wanted wanted = { .family = AF_UNSPEC };
        int r = make_inside(netns_fd, &wanted, err);

        if (r == 0)
                *ret = wanted.net;
        return r;
}

/* ---- filters ---- */

#define LOAD(size, at)        BPF_STMT(BPF_LD | (size) | BPF_ABS, at)
#define LOAD_BEHIND(size, at) BPF_STMT(BPF_LD | (size) | BPF_IND, at)
#define EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define ANY_OF(bits, yes, no) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, yes, no)
#define RETURN(len)           BPF_STMT(BPF_RET | BPF_K, len)

/* IPv4, UDP, no fragment, to port 68, a BOOTREPLY with DHCP's cookie. A load behind the packet's
 * end refuses it. */
static struct sock_filter packet_filter[] = {
        LOAD(BPF_B, 0),
        BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 4),
        EQUAL(4, 0, 11),
        LOAD(BPF_B, 9),
        EQUAL(IPPROTO_UDP, 0, 9),
        LOAD(BPF_H, 6),
        ANY_OF(0x3fff, 7, 0),
        BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0), /* the length of the IP header */
        LOAD_BEHIND(BPF_H, 2),
        EQUAL(MSG_PORT_CLIENT, 0, 4),
        LOAD_BEHIND(BPF_B, 8),
        EQUAL(2, 0, 2),
        LOAD_BEHIND(BPF_W, 8 + 236),
        EQUAL(0x63825363, 1, 0),
        RETURN(0),
        RETURN(UINT32_MAX),
};

/* ARP about IPv4. */
static struct sock_filter arp_filter[] = {
        LOAD(BPF_H, 2), EQUAL(ETH_P_IP, 0, 2), LOAD(BPF_B, 5), EQUAL(4, 1, 0),
        RETURN(0),      RETURN(UINT32_MAX),
};

static struct sock_filter nothing_filter[] = { RETURN(0) };

static int attach(int fd, struct sock_filter *filter, size_t count)
{
        const struct sock_fprog program = { .len = (unsigned short)count, .filter = filter };
        const int yes = 1;

        if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ||
            setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &yes, sizeof(yes)) < 0)
                return -errno;
        return 0;
}

/* ---- opening ---- */

static int set_up_packet(int fd, const struct link *link, int protocol, struct sock_filter *filter,
                         size_t count)
{
        const union packet_address local = { .ll = { .sll_family = AF_PACKET,
                                                     .sll_protocol = htons((uint16_t)protocol),
                                                     .sll_ifindex = link->ifindex } };
        const int yes = 1;
        int r = attach(fd, filter, count);

        if (r == 0 && (setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &yes, sizeof(yes)) < 0 ||
                       bind(fd, &local.any, sizeof(local.ll)) < 0))
                r = -errno;
        return r;
}

static int open_packet(int netns_fd, const struct link *link, int protocol,
                       struct sock_filter *filter, size_t count, int *ret_fd, struct err *err)
{
        struct wanted wanted = { .family = AF_PACKET, .type = SOCK_DGRAM, .fd = -1 };
        _cleanup_(closep) int fd = -1;
        int r = make_inside(netns_fd, &wanted, err);

        if (r < 0)
                return r;
        fd = wanted.fd;
        r = set_up_packet(fd, link, protocol, filter, count);
        if (r < 0)
                return err_set(err, r, CNI_ERR_INTERNAL, "listen on %s", link->name);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int sock_open_packet(int netns_fd, const struct link *link, int *ret_fd, struct err *err)
{
        return open_packet(netns_fd, link, ETH_P_IP, packet_filter, ARRAY_SIZE(packet_filter),
                           ret_fd, err);
}

int sock_open_arp(int netns_fd, const struct link *link, int *ret_fd, struct err *err)
{
        return open_packet(netns_fd, link, ETH_P_ARP, arp_filter, ARRAY_SIZE(arp_filter), ret_fd,
                           err);
}

static struct sockaddr_in endpoint(const struct ip *ip, uint16_t port)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };

        memcpy(&address.sin_addr, ip->bytes, sizeof(address.sin_addr));
        return address;
}

static int set_up_udp(int fd, const struct link *link, const struct ip *local)
{
        const struct sockaddr_in address = endpoint(local, MSG_PORT_CLIENT);
        int r = attach(fd, nothing_filter, ARRAY_SIZE(nothing_filter));

        if (r == 0 && (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, link->name,
                                  (socklen_t)strlen(link->name)) < 0 ||
                       bind(fd, (const void *)&address, sizeof(address)) < 0))
                r = -errno;
        return r;
}

int sock_open_udp(int netns_fd, const struct link *link, const struct ip *local, int *ret_fd,
                  struct err *err)
{
        struct wanted wanted = { .family = AF_INET, .type = SOCK_DGRAM, .fd = -1 };
        _cleanup_(closep) int fd = -1;
        char text[IP_TEXT_MAX];
        int r = make_inside(netns_fd, &wanted, err);

        if (r < 0)
                return r;
        fd = wanted.fd;
        r = set_up_udp(fd, link, local);
        if (r == -EADDRNOTAVAIL)
                return SOCK_NO_ADDRESS;
        if (r == -EADDRINUSE)
                return SOCK_BUSY;
        if (r < 0)
                return err_set(err, r, CNI_ERR_INTERNAL, "send from %s over %s",
                               ip_format(local, text), link->name);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* ---- sending ---- */

static int sent(ssize_t n, const char *what, struct err *err)
{
        if (n >= 0)
                return 0;
        if (errno == ENETDOWN || errno == ENXIO || errno == ENODEV)
                return SOCK_LINK_DOWN;
        return err_set(err, -errno, CNI_ERR_INTERNAL, "send %s", what);
}

/* Everybody on the link. A multicast group on InfiniBand (RFC 4391 section 4), whose partition the
 * kernel puts in. */
static struct link_address everybody(uint8_t len)
{
        static const uint8_t infiniband[20] = { 0x00, 0xff, 0xff,        0xff, 0xff, 0x12,
                                                0x40, 0x1b, [16] = 0xff, 0xff, 0xff, 0xff };
        struct link_address address = { .len = len };

        if (len == sizeof(infiniband))
                memcpy(address.bytes, infiniband, sizeof(infiniband));
        else
                memset(address.bytes, 0xff, len);
        return address;
}

/* Where the socket stands: ifindex, type and length of hardware addresses. */
static int own_address(int fd, union packet_address *ret, struct err *err)
{
        socklen_t len = sizeof(*ret);

        *ret = (union packet_address){ 0 };
        if (getsockname(fd, &ret->any, &len) < 0)
                return err_set(err, -errno, CNI_ERR_INTERNAL, "look at a packet socket");
        return 0;
}

static int send_to(int fd, int ifindex, int protocol, const struct link_address *to,
                   const uint8_t *packet, size_t len, struct err *err)
{
        union packet_address address;
        struct link_address all;
        int r = own_address(fd, &address, err);

        if (r < 0)
                return r;
        if (!to) {
                all = everybody(address.ll.sll_halen);
                to = &all;
        }
        address.ll.sll_protocol = htons((uint16_t)protocol);
        address.ll.sll_ifindex = ifindex;
        address.ll.sll_halen = to->len;
        memcpy(address.bytes + offsetof(struct sockaddr_ll, sll_addr), to->bytes, to->len);
        return sent(sendto(fd, packet, len, MSG_NOSIGNAL, &address.any, sizeof(address)),
                    protocol == ETH_P_ARP ? "an ARP probe" : "a packet", err);
}

int sock_send_packet(int fd, int ifindex, const struct link_address *to, const uint8_t *packet,
                     size_t len, struct err *err)
{
        return send_to(fd, ifindex, ETH_P_IP, to, packet, len, err);
}

int sock_send_udp(int fd, const struct ip *server, const uint8_t *payload, size_t len,
                  struct err *err)
{
        const struct sockaddr_in to = endpoint(server, MSG_PORT_SERVER);
        char text[IP_TEXT_MAX];
        int r = sent(sendto(fd, payload, len, MSG_NOSIGNAL, (const void *)&to, sizeof(to)),
                     "a message", err);

        if (r < 0)
                err_wrap(err, "server %s: ", ip_format(server, text));
        return r;
}

/* ---- receiving ---- */

/* Whether the kernel left the UDP checksum to hardware that the packet never came to. The auxiliary
 * data say nothing of VLANs that would count: what is tagged for one that has no device here comes
 * as PACKET_OTHERHOST. */
static bool is_checksum_pending(struct msghdr *message)
{
        const struct cmsghdr *first = CMSG_FIRSTHDR(message);
        struct tpacket_auxdata aux;

        if (!first || first->cmsg_level != SOL_PACKET || first->cmsg_type != PACKET_AUXDATA ||
            first->cmsg_len < CMSG_LEN(sizeof(aux)))
                return false;
        memcpy(&aux, CMSG_DATA(first), sizeof(aux));
        return aux.tp_status & TP_STATUS_CSUMNOTREADY;
}

int sock_receive(int fd, struct sock_packet *ret, struct err *err)
{
        static uint8_t bytes[65536];
        _Alignas(struct cmsghdr) uint8_t control[128];
        union packet_address from = { 0 };
        struct iovec data = { bytes, sizeof(bytes) };
        struct msghdr message = { .msg_name = &from,
                                  .msg_namelen = sizeof(from),
                                  .msg_iov = &data,
                                  .msg_iovlen = 1,
                                  .msg_control = control,
                                  .msg_controllen = sizeof(control) };
        ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT);
        struct sock_packet packet = { .bytes = bytes };

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return SOCK_EMPTY;
        if (n < 0 && (errno == ENETDOWN || errno == ENXIO))
                return SOCK_LINK_DOWN;
        if (n < 0)
                return err_set(err, -errno, CNI_ERR_INTERNAL, "receive a packet");
        packet.len = (size_t)n;
        packet.for_us = from.ll.sll_pkttype == PACKET_HOST ||
                        from.ll.sll_pkttype == PACKET_BROADCAST ||
                        from.ll.sll_pkttype == PACKET_MULTICAST;
        packet.checksum_pending = is_checksum_pending(&message);
        if (from.ll.sll_halen <= LINK_ADDRESS_MAX) {
                packet.source.len = from.ll.sll_halen;
                memcpy(packet.source.bytes, from.bytes + offsetof(struct sockaddr_ll, sll_addr),
                       from.ll.sll_halen);
        }
        *ret = packet;
        return 0;
}

/* ---- ARP ---- */

/* The fixed part of an ARP packet; sender's and target's addresses follow. */
struct arp {
        uint16_t hardware, protocol;
        uint8_t hardware_len, protocol_len;
        uint16_t operation;
};

#define ARP_MAX (sizeof(struct arp) + 2 * (LINK_ADDRESS_MAX + 4))

int sock_send_probe(int fd, int ifindex, const struct link_address *own, const struct ip *ip,
                    struct err *err)
{
        uint8_t packet[ARP_MAX] = { 0 };
        union packet_address local;
        struct arp arp;
        int r = own_address(fd, &local, err);

        if (r < 0)
                return r;
        arp = (struct arp){ .hardware = htons(local.ll.sll_hatype),
                            .protocol = htons(ETH_P_IP),
                            .hardware_len = own->len,
                            .protocol_len = 4,
                            .operation = htons(ARPOP_REQUEST) };
        memcpy(packet, &arp, sizeof(arp));
        memcpy(packet + sizeof(arp), own->bytes, own->len);
        memcpy(packet + sizeof(arp) + 2U * own->len + 4, ip->bytes, 4);
        return send_to(fd, ifindex, ETH_P_ARP, NULL, packet, sizeof(arp) + 2 * (own->len + 4U),
                       err);
}

/* RFC 5227 section 2.1.1: another host has the address when it speaks as the address, and is about
 * to take it when it probes for it. */
static bool is_conflict(const uint8_t *packet, size_t len, const struct link_address *own,
                        const struct ip *ip)
{
        static const uint8_t nobody[4] = { 0 };
        const uint8_t *sender = packet + sizeof(struct arp), *sender_ip, *target_ip;
        struct arp arp;

        if (len < sizeof(arp))
                return false;
        memcpy(&arp, packet, sizeof(arp));
        if (len < sizeof(arp) + 2 * (arp.hardware_len + 4U) || arp.protocol_len != 4 ||
            (arp.operation != htons(ARPOP_REQUEST) && arp.operation != htons(ARPOP_REPLY)) ||
            (arp.hardware_len == own->len && memcmp(sender, own->bytes, own->len) == 0))
                return false;
        sender_ip = sender + arp.hardware_len;
        target_ip = sender_ip + 4 + arp.hardware_len;
        return memcmp(sender_ip, ip->bytes, 4) == 0 ||
               (arp.operation == htons(ARPOP_REQUEST) && memcmp(sender_ip, nobody, 4) == 0 &&
                memcmp(target_ip, ip->bytes, 4) == 0);
}

int sock_receive_arp(int fd, const struct link_address *own, const struct ip *ip,
                     bool *ret_conflict, struct err *err)
{
        struct sock_packet packet = { 0 };
        int r = sock_receive(fd, &packet, err);

        if (r == 0)
                *ret_conflict = packet.for_us && is_conflict(packet.bytes, packet.len, own, ip);
        return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets in a container's namespace, and what passes between them and the other end of the cable.
 */
#include "sock.h"

#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "core/netns.h"
#include "dhcp/pair.h"

#define WAIT_MS 10000

static const uint8_t eth0_mac[6] = { 2, 0, 0, 0, 0, 2 }, srv_mac[6] = { 2, 0, 0, 0, 0, 1 };
static const uint8_t all_ones[6] = { 255, 255, 255, 255, 255, 255 };
static const struct ip container_ip = { IP_V4, { 10, 0, 0, 2 } };
static const struct ip server_ip = { IP_V4, { 10, 0, 0, 1 } };

static void await(int fd)
{
        struct pollfd readable = { .fd = fd, .events = POLLIN };

        ck_assert_int_eq(poll(&readable, 1, WAIT_MS), 1);
}

/* ---- the other end of the cable ---- */

static int open_wire(const struct pair *pair, uint16_t protocol)
{
        const struct sockaddr_ll local = { .sll_family = AF_PACKET,
                                           .sll_protocol = htons(protocol),
                                           .sll_ifindex = pair->srv };
        int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(bind(fd, (const void *)&local, sizeof(local)), 0);
        return fd;
}

static int open_port(const struct ip *ip, uint16_t port)
{
        struct sockaddr_in local = { .sin_family = AF_INET, .sin_port = htons(port) };
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        memcpy(&local.sin_addr, ip->bytes, 4);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(bind(fd, (const void *)&local, sizeof(local)), 0);
        return fd;
}

/* An Ethernet frame with an answer of a DHCP server in it. */
struct frame {
        uint8_t bytes[400];
        size_t len;
};

#define IP_AT  14
#define UDP_AT (IP_AT + 20)
#define MSG_AT (UDP_AT + 8)

static struct frame reply_frame(const uint8_t destination[6])
{
        static const uint8_t headers[] = {
                [12] = 0x08,
                0x00, /* IPv4 */
                [IP_AT] = 0x45,
                0,
                1,
                0x2c,
                0,
                0,
                0,
                0,
                64,
                IPPROTO_UDP,
                0,
                0, /* 300 bytes */
                10,
                0,
                0,
                1,
                255,
                255,
                255,
                255, /* from, to */
                0,
                67,
                0,
                68,
                1,
                0x18,
                0,
                0, /* ports, 280 bytes */
                2,
                1,
                6,
                0, /* BOOTREPLY */
        };
        struct frame frame = { .len = IP_AT + 300 };

        memcpy(frame.bytes, headers, sizeof(headers));
        memcpy(frame.bytes, destination, 6);
        memcpy(frame.bytes + 6, srv_mac, 6);
        memcpy(frame.bytes + MSG_AT + 236, "\x63\x82\x53\x63", 4);
        return frame;
}

static void send_frame(int wire, const struct frame *frame)
{
        ck_assert_int_eq(send(wire, frame->bytes, frame->len, 0), (ssize_t)frame->len);
}

static int open_packet(const struct pair *pair)
{
        struct err err;
        int fd = -1;

        unit_assert_ok(sock_open_packet(pair->container, &pair->eth0, &fd, &err), &err);
        return fd;
}

static struct sock_packet receive(int fd)
{
        struct sock_packet packet;
        struct err err;

        await(fd);
        unit_assert_ok(sock_receive(fd, &packet, &err), &err);
        return packet;
}

/* ---- opening ---- */

SPACE_TEST(the_thread_is_back_where_it_was)
{
        const struct pair pair = pair_make(dir);
        char path[64];
        struct err err;
        bool own;
        int fd;

        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", pair.ours);
        fd = open_packet(&pair);
        unit_assert_ok(netns_is_own(path, &own, &err), &err);
        ck_assert(own);
        ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
        ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
        close(fd);
}

SPACE_TEST(a_netlink_socket_is_in_the_container)
{
        const struct pair pair = pair_make(dir);
        struct net *net = NULL;
        struct link link;
        struct err err;

        unit_assert_ok(sock_open_net(pair.container, &net, &err), &err);
        unit_assert_ok(link_get(net, "eth0", &link, &err), &err);
        ck_assert_int_eq(link.ifindex, pair.eth0.ifindex);
        ck_assert_int_eq(link_get(net, "srv", &link, &err), LINK_ABSENT);
        net_close(net);
}

SPACE_TEST(what_cannot_be_opened_is_told)
{
        const struct pair pair = pair_make(dir);
        struct link gone = pair.eth0;
        struct net *net = NULL;
        struct err err;
        int fd = -7, null = open("/dev/null", O_RDONLY | O_CLOEXEC), r;

        r = sock_open_packet(null, &pair.eth0, &fd, &err);
        unit_assert_err(r, &err, CNI_ERR_NETNS, "enter namespace: invalid argument");
        r = sock_open_net(null, &net, &err);
        unit_assert_err(r, &err, CNI_ERR_NETNS, "enter namespace: invalid argument");
        gone.ifindex = 77;
        r = sock_open_packet(pair.container, &gone, &fd, &err);
        unit_assert_err(r, &err, CNI_ERR_INTERNAL, "listen on eth0: no such device");
        (void)snprintf(gone.name, sizeof(gone.name), "eth9");
        r = sock_open_udp(pair.container, &gone, &container_ip, &fd, &err);
        unit_assert_err(r, &err, CNI_ERR_INTERNAL, "send from 10.0.0.2 over eth9: no such device");
        ck_assert_int_eq(fd, -7);
        close(null);
}

SPACE_TEST(the_filter_stays)
{
        const struct pair pair = pair_make(dir);
        int fd = open_packet(&pair), none = 0;

        ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof(none)), -1);
        ck_assert_int_eq(errno, EPERM);
        close(fd);
}

/* ---- packets that come ---- */

static const struct {
        const char *what;
        size_t at;
        uint8_t value;
        size_t len; /* 0: all */
        bool arrives;
} frame_rows[] = {
        { "an answer", 0, 0xff, 0, true },
        { "may not be fragmented", IP_AT + 6, 0x40, 0, true },
        { "another version of IP", IP_AT, 0x65, 0, false },
        { "another protocol than UDP", IP_AT + 9, IPPROTO_TCP, 0, false },
        { "a first fragment", IP_AT + 6, 0x20, 0, false },
        { "a later fragment", IP_AT + 7, 1, 0, false },
        { "to another port", UDP_AT + 3, 67, 0, false },
        { "IP options move the rest away", IP_AT, 0x46, 0, false },
        { "a BOOTREQUEST", MSG_AT, 1, 0, false },
        { "another cookie", MSG_AT + 239, 0x64, 0, false },
        { "no room for the cookie", 0, 0xff, MSG_AT + 239, false },
        { "just room for the cookie", 0, 0xff, MSG_AT + 240, true },
        { "a header alone", 0, 0xff, UDP_AT, false },
        { "another kind of frame", 13, 0x06, 0, false },
};

SPACE_TEST(answers_pass_the_filter_and_nothing_else)
{
        const struct pair pair = pair_make(dir);
        int fd = open_packet(&pair), wire = open_wire(&pair, 0);
        struct frame marker = reply_frame(all_ones);
        struct err err;

        marker.bytes[MSG_AT + 4] = 0x77; /* xid */
        for (size_t i = 0; i < ARRAY_SIZE(frame_rows); i++) {
                struct frame frame = reply_frame(all_ones);
                struct sock_packet packet;

                frame.bytes[frame_rows[i].at] = frame_rows[i].value;
                if (frame_rows[i].len)
                        frame.len = frame_rows[i].len;
                send_frame(wire, &frame);
                send_frame(wire, &marker);
                packet = receive(fd);
                ck_assert_msg((packet.bytes[MSG_AT - IP_AT + 4] != 0x77) == frame_rows[i].arrives,
                              "%s", frame_rows[i].what);
                if (frame_rows[i].arrives) {
                        ck_assert_uint_eq(packet.len, frame.len - IP_AT);
                        ck_assert_mem_eq(packet.bytes, frame.bytes + IP_AT, packet.len);
                        (void)receive(fd);
                }
                ck_assert_int_eq(sock_receive(fd, &packet, &err), SOCK_EMPTY);
        }
        close(wire);
        close(fd);
}

SPACE_TEST(ip_options_are_skipped)
{
        const struct pair pair = pair_make(dir);
        int fd = open_packet(&pair), wire = open_wire(&pair, 0);
        struct frame frame = reply_frame(all_ones);

        memmove(frame.bytes + UDP_AT + 4, frame.bytes + UDP_AT, frame.len - UDP_AT);
        frame.bytes[IP_AT] = 0x46;
        frame.len += 4;
        send_frame(wire, &frame);
        ck_assert_uint_eq(receive(fd).len, frame.len - IP_AT);
        close(wire);
        close(fd);
}

SPACE_TEST(packets_tell_whom_they_are_for_and_who_sent_them)
{
        static const uint8_t multicast[6] = { 1, 0, 0x5e, 0, 0, 1 },
                             other[6] = { 2, 9, 9, 9, 9, 9 };
        static const struct {
                const uint8_t *destination;
                bool for_us;
        } rows[] = {
                { all_ones, true }, { eth0_mac, true }, { multicast, true }, { other, false }
        };
        const struct pair pair = pair_make(dir);
        int fd = open_packet(&pair), wire = open_wire(&pair, 0);

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct frame frame = reply_frame(rows[i].destination);
                struct sock_packet packet;

                send_frame(wire, &frame);
                packet = receive(fd);
                ck_assert_msg(packet.for_us == rows[i].for_us, "row %zu", i);
                ck_assert(!packet.checksum_pending);
                ck_assert_uint_eq(packet.source.len, 6);
                ck_assert_mem_eq(packet.source.bytes, srv_mac, 6);
        }
        close(wire);
        close(fd);
}

static const struct {
        const char *what;
        uint8_t tag[2];
        bool for_us;
} tag_rows[] = {
        { "of a network", { 0, 5 }, false },
        { "of a network, with a priority", { 0xe0, 5 }, false },
        { "a priority alone", { 0xe0, 0 }, true },
};

SPACE_TEST(a_packet_of_another_vlan_is_not_for_us)
{
        const struct pair pair = pair_make(dir);
        int fd = open_packet(&pair), wire = open_wire(&pair, 0);

        for (size_t i = 0; i < ARRAY_SIZE(tag_rows); i++) {
                struct frame frame = reply_frame(all_ones);

                memmove(frame.bytes + 16, frame.bytes + 12, frame.len - 12);
                memcpy(frame.bytes + 12, "\x81\x00", 2);
                memcpy(frame.bytes + 14, tag_rows[i].tag, 2);
                frame.len += 4;
                send_frame(wire, &frame);
                ck_assert_msg(receive(fd).for_us == tag_rows[i].for_us, "%s", tag_rows[i].what);
        }
        close(wire);
        close(fd);
}

SPACE_TEST(a_checksum_that_the_hardware_would_fill_in_is_told)
{
        const struct pair pair = pair_make(dir);
        int fd = open_packet(&pair), server = open_port(&server_ip, 67);
        struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(68) };
        struct frame frame = reply_frame(all_ones);

        memcpy(&to.sin_addr, container_ip.bytes, 4);
        ck_assert_int_gt(sendto(server, frame.bytes + MSG_AT, frame.len - MSG_AT, 0, (void *)&to,
                                sizeof(to)),
                         0);
        ck_assert(receive(fd).checksum_pending);
        close(server);
        close(fd);
}

/* ---- messages that go ---- */

SPACE_TEST(a_packet_goes_to_everybody_or_to_one)
{
        const struct link_address server = { { 2, 0, 0, 0, 0, 1 }, 6 };
        const struct pair pair = pair_make(dir);
        int fd = open_packet(&pair), wire = open_wire(&pair, ETH_P_IP);
        struct frame frame = reply_frame(all_ones);
        struct err err;
        uint8_t seen[512];

        for (int i = 0; i < 2; i++) {
                const uint8_t *wanted = i == 0 ? all_ones : server.bytes;
                int r = sock_send_packet(fd, pair.eth0.ifindex, i == 0 ? NULL : &server,
                                         frame.bytes + IP_AT, frame.len - IP_AT, &err);

                unit_assert_ok(r, &err);
                await(wire);
                ck_assert_int_eq(recv(wire, seen, sizeof(seen), 0), (ssize_t)frame.len);
                ck_assert_mem_eq(seen, wanted, 6);
                ck_assert_mem_eq(seen + 6, eth0_mac, 6);
                ck_assert_mem_eq(seen + 12, frame.bytes + 12, frame.len - 12);
        }
        close(wire);
        close(fd);
}

SPACE_TEST(a_message_goes_from_the_leased_address)
{
        const struct pair pair = pair_make(dir);
        int server = open_port(&server_ip, 67), fd = -1;
        struct sockaddr_in from = { 0 };
        socklen_t len = sizeof(from);
        struct err err;
        char seen[16];

        unit_assert_ok(sock_open_udp(pair.container, &pair.eth0, &container_ip, &fd, &err), &err);
        unit_assert_ok(sock_send_udp(fd, &server_ip, (const uint8_t *)"renew", 5, &err), &err);
        await(server);
        ck_assert_int_eq(recvfrom(server, seen, sizeof(seen), 0, (void *)&from, &len), 5);
        ck_assert_mem_eq(seen, "renew", 5);
        ck_assert_mem_eq(&from.sin_addr, container_ip.bytes, 4);
        ck_assert_uint_eq(ntohs(from.sin_port), 68);
        close(fd);
        close(server);
}

/* What is sent to the port is neither refused nor kept. That the port next to it does refuse shows
 * that a refusal would have come. */
SPACE_TEST(the_port_is_held_and_swallows_what_comes)
{
        const struct pair pair = pair_make(dir);
        struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(68) };
        int server = open_port(&server_ip, 67), other = open_port(&server_ip, 1067), fd = -1;
        struct pollfd refused = { .fd = other };
        struct err err;
        char byte;

        memcpy(&to.sin_addr, container_ip.bytes, 4);
        unit_assert_ok(sock_open_udp(pair.container, &pair.eth0, &container_ip, &fd, &err), &err);
        ck_assert_int_eq(connect(server, (void *)&to, sizeof(to)), 0);
        ck_assert_int_eq(send(server, "x", 1, 0), 1);
        to.sin_port = htons(69);
        ck_assert_int_eq(connect(other, (void *)&to, sizeof(to)), 0);
        ck_assert_int_eq(send(other, "x", 1, 0), 1);
        ck_assert_int_eq(poll(&refused, 1, WAIT_MS), 1);
        ck_assert_int_eq(recv(other, &byte, 1, MSG_DONTWAIT), -1);
        ck_assert_int_eq(errno, ECONNREFUSED);
        ck_assert_int_eq(recv(server, &byte, 1, MSG_DONTWAIT), -1);
        ck_assert_int_eq(errno, EAGAIN);
        ck_assert_int_eq(recv(fd, &byte, 1, 0), -1);
        ck_assert_int_eq(errno, EAGAIN);
        close(fd);
        close(other);
        close(server);
}

SPACE_TEST(an_address_that_is_not_there_or_a_port_in_use_is_an_outcome)
{
        const struct ip elsewhere = { IP_V4, { 10, 0, 0, 9 } };
        const struct pair pair = pair_make(dir);
        int fd = -7, taken;
        struct err err;

        ck_assert_int_eq(sock_open_udp(pair.container, &pair.eth0, &elsewhere, &fd, &err),
                         SOCK_NO_ADDRESS);
        ck_assert_int_eq(setns(pair.container, CLONE_NEWNET), 0);
        taken = open_port(&container_ip, 68);
        ck_assert_int_eq(setns(pair.ours, CLONE_NEWNET), 0);
        ck_assert_int_eq(sock_open_udp(pair.container, &pair.eth0, &container_ip, &fd, &err),
                         SOCK_BUSY);
        ck_assert_int_eq(fd, -7);
        close(taken);
}

/* ---- links that are down or gone ---- */

SPACE_TEST(a_link_that_is_down_or_gone_is_an_outcome)
{
        const struct pair pair = pair_make(dir);
        int fd = open_packet(&pair);
        struct frame frame = reply_frame(all_ones);
        struct sock_packet packet;
        struct err err;

        pair_run(&pair, dir, "link set eth0 down");
        ck_assert_int_eq(sock_receive(fd, &packet, &err), SOCK_LINK_DOWN);
        ck_assert_int_eq(sock_receive(fd, &packet, &err), SOCK_EMPTY);
        ck_assert_int_eq(sock_send_packet(fd, pair.eth0.ifindex, NULL, frame.bytes, 40, &err),
                         SOCK_LINK_DOWN);
        pair_run(&pair, dir, "link set eth0 up");
        unit_assert_ok(sock_send_packet(fd, pair.eth0.ifindex, NULL, frame.bytes, 40, &err), &err);
        pair_run(&pair, dir, "link del eth0");
        ck_assert_int_eq(sock_receive(fd, &packet, &err), SOCK_LINK_DOWN);
        ck_assert_int_eq(sock_send_packet(fd, pair.eth0.ifindex, NULL, frame.bytes, 40, &err),
                         SOCK_LINK_DOWN);
        close(fd);
}

SPACE_TEST(a_message_that_cannot_be_sent_names_its_server)
{
        static const uint8_t much[65508] = { 0 };
        const struct pair pair = pair_make(dir);
        struct err err;
        int fd = -1, r;

        unit_assert_ok(sock_open_udp(pair.container, &pair.eth0, &container_ip, &fd, &err), &err);
        r = sock_send_udp(fd, &server_ip, much, sizeof(much), &err);
        ck_assert_int_eq(r, -EMSGSIZE);
        ck_assert_ptr_eq(strstr(err.msg, "server 10.0.0.1: send a message: "), err.msg);
        close(fd);
}

/* ---- ARP ---- */

#define ARP_LEN (8 + 2 * (6 + 4))

SPACE_TEST(a_probe_asks_for_an_address_without_having_one)
{
        static const uint8_t wanted[14 + ARP_LEN] = {
                255, 255, 255, 255, 255, 255, 2,  0, 0, 0, 0, 2, 0x08, 0x06, /* to, from, ARP */
                0,   1,   8,   0,   6,   4,   0,  1,       /* Ethernet, IPv4, request */
                2,   0,   0,   0,   0,   2,   0,  0, 0, 0, /* sender */
                0,   0,   0,   0,   0,   0,   10, 0, 0, 1, /* target */
        };
        const struct pair pair = pair_make(dir);
        int wire = open_wire(&pair, ETH_P_ARP), fd = -1, r;
        bool conflict = false;
        uint8_t seen[128];
        struct err err;

        unit_assert_ok(sock_open_arp(pair.container, &pair.eth0, &fd, &err), &err);
        r = sock_send_probe(fd, pair.eth0.ifindex, &pair.eth0.address, &server_ip, &err);
        unit_assert_ok(r, &err);
        await(wire);
        ck_assert_int_eq(recv(wire, seen, sizeof(seen), 0), (ssize_t)sizeof(wanted));
        ck_assert_mem_eq(seen, wanted, sizeof(wanted));
        /* The other end has the address, and its kernel answers. */
        await(fd);
        r = sock_receive_arp(fd, &pair.eth0.address, &server_ip, &conflict, &err);
        unit_assert_ok(r, &err);
        ck_assert(conflict);
        close(fd);
        close(wire);
}

static const struct {
        const char *what;
        uint8_t operation, sender, sender_ip, target_ip; /* the last byte of each */
        uint8_t destination;                             /* 255: everybody */
        bool conflict;
} arp_rows[] = {
        { "a reply of who has it", ARPOP_REPLY, 1, 9, 7, 2, true },
        { "a request by who has it", ARPOP_REQUEST, 1, 9, 7, 255, true },
        { "an announcement", ARPOP_REQUEST, 1, 9, 9, 255, true },
        { "another probe for it", ARPOP_REQUEST, 1, 0, 9, 255, true },
        { "our own probe", ARPOP_REQUEST, 2, 0, 9, 255, false },
        { "our own announcement", ARPOP_REQUEST, 2, 9, 9, 255, false },
        { "a request for it", ARPOP_REQUEST, 1, 7, 9, 255, false },
        { "a reply about another", ARPOP_REPLY, 1, 7, 9, 2, false },
        { "a probe for another", ARPOP_REQUEST, 1, 0, 7, 255, false },
        { "a reply from nobody", ARPOP_REPLY, 1, 0, 9, 2, false },
        { "for another host", ARPOP_REPLY, 1, 9, 7, 77, false },
        { "another operation", 8, 1, 9, 9, 255, false },
};

static struct frame arp_frame(size_t row)
{
        const uint8_t bytes[] = {
                2,    0,
                0,    0,
                0,    arp_rows[row].destination, /* to */
                2,    0,
                0,    0,
                0,    1,
                0x08, 0x06, /* from, ARP */
                0,    1,
                8,    0,
                6,    4,
                0,    arp_rows[row].operation, /* Ethernet, IPv4 */
                2,    0,
                0,    0,
                0,    arp_rows[row].sender, /* sender */
                10,   0,
                0,    arp_rows[row].sender_ip,
                2,    0,
                0,    0,
                0,    2, /* target */
                10,   0,
                0,    arp_rows[row].target_ip,
        };
        struct frame frame = { .len = sizeof(bytes) };

        memcpy(frame.bytes, bytes, sizeof(bytes));
        if (arp_rows[row].destination == 255)
                memcpy(frame.bytes, all_ones, 6);
        if (arp_rows[row].sender_ip == 0)
                memset(frame.bytes + 14 + 14, 0, 4);
        return frame;
}

SPACE_TEST(conflicts_are_what_rfc_5227_says)
{
        const struct ip probed = { IP_V4, { 10, 0, 0, 9 } };
        const struct pair pair = pair_make(dir);
        int wire = open_wire(&pair, 0), fd = -1, r;
        struct err err;

        unit_assert_ok(sock_open_arp(pair.container, &pair.eth0, &fd, &err), &err);
        for (size_t i = 0; i < ARRAY_SIZE(arp_rows); i++) {
                struct frame frame = arp_frame(i);
                bool conflict = !arp_rows[i].conflict;

                send_frame(wire, &frame);
                await(fd);
                r = sock_receive_arp(fd, &pair.eth0.address, &probed, &conflict, &err);
                unit_assert_ok(r, &err);
                ck_assert_msg(conflict == arp_rows[i].conflict, "%s", arp_rows[i].what);
        }
        close(fd);
        close(wire);
}

SPACE_TEST(arp_that_is_cut_short_is_no_conflict)
{
        const struct ip probed = { IP_V4, { 10, 0, 0, 9 } };
        const struct pair pair = pair_make(dir);
        int wire = open_wire(&pair, 0), fd = -1, r;
        struct err err;

        unit_assert_ok(sock_open_arp(pair.container, &pair.eth0, &fd, &err), &err);
        for (size_t cut = 1; cut < ARP_LEN - 6; cut += 3) { /* the filter wants six bytes */
                struct frame frame = arp_frame(0);
                bool conflict = true;

                frame.len -= cut;
                send_frame(wire, &frame);
                await(fd);
                r = sock_receive_arp(fd, &pair.eth0.address, &probed, &conflict, &err);
                unit_assert_ok(r, &err);
                ck_assert_msg(!conflict, "without %zu bytes", cut);
        }
        close(fd);
        close(wire);
}

static void add_tests(TCase *tests)
{
        if (!unit_is_root("dhcp/sock"))
                return;
        tcase_add_test(tests, the_thread_is_back_where_it_was);
        tcase_add_test(tests, a_netlink_socket_is_in_the_container);
        tcase_add_test(tests, what_cannot_be_opened_is_told);
        tcase_add_test(tests, the_filter_stays);
        tcase_add_test(tests, answers_pass_the_filter_and_nothing_else);
        tcase_add_test(tests, ip_options_are_skipped);
        tcase_add_test(tests, packets_tell_whom_they_are_for_and_who_sent_them);
        tcase_add_test(tests, a_packet_of_another_vlan_is_not_for_us);
        tcase_add_test(tests, a_checksum_that_the_hardware_would_fill_in_is_told);
        tcase_add_test(tests, a_packet_goes_to_everybody_or_to_one);
        tcase_add_test(tests, a_message_goes_from_the_leased_address);
        tcase_add_test(tests, the_port_is_held_and_swallows_what_comes);
        tcase_add_test(tests, an_address_that_is_not_there_or_a_port_in_use_is_an_outcome);
        tcase_add_test(tests, a_link_that_is_down_or_gone_is_an_outcome);
        tcase_add_test(tests, a_message_that_cannot_be_sent_names_its_server);
        tcase_add_test(tests, a_probe_asks_for_an_address_without_having_one);
        tcase_add_test(tests, conflicts_are_what_rfc_5227_says);
        tcase_add_test(tests, arp_that_is_cut_short_is_no_conflict);
}

UNIT_MAIN("sock", add_tests)

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens in other namespaces, as the kernel tells it.
 */
#include "watch.h"

#include <linux/capability.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "dhcp/pair.h"

/* ---- what was told ---- */

struct told {
        struct watch_event events[64];
        size_t count;
};

static void note(void *user, const struct watch_event *event)
{
        struct told *told = user;

        if (told->count < ARRAY_SIZE(told->events))
                told->events[told->count++] = *event;
}

/* Reads until the kind of event has come from the namespace, and gives it; older ones are
 * forgotten. */
static struct watch_event await(int fd, enum watch_kind kind, int nsid)
{
        struct pollfd readable = { .fd = fd, .events = POLLIN };
        struct err err;

        for (;;) {
                struct told told = { 0 };

                ck_assert_msg(poll(&readable, 1, 10000) == 1, "no event of kind %d", (int)kind);
                unit_assert_ok(watch_read(fd, note, &told, &err), &err);
                for (size_t i = 0; i < told.count; i++)
                        if (told.events[i].kind == kind && told.events[i].nsid == nsid)
                                return told.events[i];
        }
}

static int open_watch(bool all)
{
        struct err err;
        bool has_all = !all;
        int fd = -1;

        unit_assert_ok(watch_open(&fd, &has_all, &err), &err);
        ck_assert_int_eq(has_all, all);
        return fd;
}

/* The number by which our namespace knows the container's. */
static int name_container(const struct pair *pair)
{
        struct net *net = NULL;
        struct err err;
        int nsid = -1;

        unit_assert_ok(net_open(&net, &err), &err);
        unit_assert_ok(link_name_netns(net, pair->container, &nsid, &err), &err);
        net_close(net);
        return nsid;
}

/* ---- the kernel's own events ---- */

SPACE_TEST(changes_of_a_link_in_a_container_are_told)
{
        const struct pair pair = pair_make(dir);
        int nsid = name_container(&pair), fd = open_watch(true);

        pair_run(&pair, dir, "link set eth0 down");
        ck_assert_int_eq(await(fd, WATCH_LINK, nsid).ifindex, pair.eth0.ifindex);
        pair_run(&pair, dir, "link set eth0 up");
        ck_assert_int_eq(await(fd, WATCH_LINK, nsid).ifindex, pair.eth0.ifindex);
        space_run(dir, "link set srv down");
        ck_assert_int_eq(await(fd, WATCH_LINK, -1).ifindex, pair.srv);
        pair_run(&pair, dir, "link del eth0");
        ck_assert_int_eq(await(fd, WATCH_LINK_GONE, nsid).ifindex, pair.eth0.ifindex);
        close(fd);
}

SPACE_TEST(addresses_in_a_container_are_told)
{
        const struct pair pair = pair_make(dir);
        int nsid = name_container(&pair), fd = open_watch(true);
        struct watch_event event;
        char text[IPNET_TEXT_MAX];

        pair_run(&pair, dir, "addr add 10.1.2.3/20 dev eth0");
        event = await(fd, WATCH_ADDRESS, nsid);
        ck_assert_int_eq(event.ifindex, pair.eth0.ifindex);
        ck_assert_str_eq(ipnet_format(&event.address, text), "10.1.2.3/20");
        pair_run(&pair, dir, "addr del 10.1.2.3/20 dev eth0");
        event = await(fd, WATCH_ADDRESS_GONE, nsid);
        ck_assert_int_eq(event.ifindex, pair.eth0.ifindex);
        ck_assert_str_eq(ipnet_format(&event.address, text), "10.1.2.3/20");
        close(fd);
}

SPACE_TEST(the_end_of_a_namespace_is_told_and_not_put_off)
{
        const struct pair pair = pair_make(dir);
        int nsid = name_container(&pair), fd = open_watch(true);

        close(pair.container);
        ck_assert_int_eq(await(fd, WATCH_NETNS_GONE, nsid).nsid, nsid);
        close(fd);
}

SPACE_TEST(a_port_that_leaves_its_bridge_is_no_link_that_is_gone)
{
        struct told told = { 0 };
        struct err err;
        int fd;

        space_enter();
        space_set_up(dir, "link add bridge type bridge", "link add port type veth peer name other",
                     "link set port master bridge", NULL);
        fd = open_watch(true);
        space_run(dir, "link set port nomaster");
        while (watch_read(fd, note, &told, &err) == 0)
                ;
        ck_assert_uint_gt(told.count, 0);
        for (size_t i = 0; i < told.count; i++)
                ck_assert_int_eq(told.events[i].kind, WATCH_LINK);
        close(fd);
}

static void drop_broadcast(void)
{
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2];

        ck_assert_int_eq(syscall(SYS_capget, &header, data), 0);
        data[0].effective &= ~(1U << CAP_NET_BROADCAST);
        ck_assert_int_eq(syscall(SYS_capset, &header, data), 0);
}

SPACE_TEST(without_the_privilege_namespaces_alone_are_told)
{
        const struct pair pair = pair_make(dir);
        int nsid = name_container(&pair), fd;
        struct told told = { 0 };
        struct err err;

        drop_broadcast();
        fd = open_watch(false);
        pair_run(&pair, dir, "link set eth0 down");
        space_run(dir, "link set srv down");
        ck_assert_int_eq(watch_read(fd, note, &told, &err), WATCH_EMPTY);
        close(pair.container);
        ck_assert_int_eq(await(fd, WATCH_NETNS_GONE, nsid).nsid, nsid);
        close(fd);
}

SPACE_TEST(events_that_were_lost_are_told_as_lost)
{
        const int small = 1;
        struct told told = { 0 };
        struct err err;
        bool lost = false;
        int fd;

        space_enter();
        fd = open_watch(true);
        ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &small, sizeof(small)), 0);
        for (int i = 0; i < 20; i++)
                space_set_up(dir, "link set lo up", "link set lo down", NULL);
        while (watch_read(fd, note, &told, &err) == 0)
                ;
        for (size_t i = 0; i < told.count; i++)
                lost = lost || told.events[i].kind == WATCH_LOST;
        ck_assert(lost);
        close(fd);
}

SPACE_TEST(only_the_kernel_is_believed)
{
        struct sockaddr_nl to = { .nl_family = AF_NETLINK };
        const struct {
                struct nlmsghdr hdr;
                struct ifinfomsg info;
        } message = {
                .hdr = { .nlmsg_len = sizeof(message), .nlmsg_type = RTM_DELLINK },
                .info = { .ifi_index = 2 },
        };
        socklen_t len = sizeof(to);
        struct told told = { 0 };
        struct err err;
        int fd, other;

        space_enter();
        fd = open_watch(true);
        other = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        ck_assert_int_eq(getsockname(fd, (void *)&to, &len), 0);
        ck_assert_int_eq(sendto(other, &message, sizeof(message), 0, (void *)&to, sizeof(to)),
                         (ssize_t)sizeof(message));
        unit_assert_ok(watch_read(fd, note, &told, &err), &err);
        ck_assert_uint_eq(told.count, 0);
        ck_assert_int_eq(watch_read(fd, note, &told, &err), WATCH_EMPTY);
        close(other);
        close(fd);
}

START_TEST(a_socket_that_cannot_be_read_is_an_error)
{
        struct told told = { 0 };
        struct err err;
        int r = watch_read(-1, note, &told, &err);

        unit_assert_err(r, &err, CNI_ERR_INTERNAL,
                        "read what happens in namespaces: bad file descriptor");
}
END_TEST

/* ---- bytes ---- */

/* Two messages: an address that was removed, and a namespace that has ended. */
static const struct {
        struct nlmsghdr address;
        struct ifaddrmsg address_body;
        struct rtattr label_hdr;
        char label[8]; /* "eth0": five bytes and their padding */
        struct rtattr local_hdr;
        uint8_t local[4];
        struct nlmsghdr netns;
        struct rtgenmsg netns_body;
        uint8_t padding[3];
        struct rtattr nsid_hdr;
        int32_t nsid;
} sample = {
        .address = { .nlmsg_len = 16 + 8 + 12 + 8, .nlmsg_type = RTM_DELADDR },
        .address_body = { .ifa_family = AF_INET, .ifa_prefixlen = 24, .ifa_index = 7 },
        .label_hdr = { .rta_len = 4 + 5, .rta_type = IFA_LABEL },
        .label = "eth0",
        .local_hdr = { .rta_len = 8, .rta_type = IFA_LOCAL },
        .local = { 10, 1, 2, 3 },
        .netns = { .nlmsg_len = 16 + 4 + 8, .nlmsg_type = RTM_DELNSID },
        .nsid_hdr = { .rta_len = 8, .rta_type = NETNSA_NSID },
        .nsid = 42,
};

START_TEST(one_datagram_may_hold_several_messages)
{
        struct told told = { 0 };

        watch_parse(&sample, sizeof(sample), -1, note, &told);
        ck_assert_uint_eq(told.count, 2);
        ck_assert_int_eq(told.events[0].kind, WATCH_ADDRESS_GONE);
        ck_assert_int_eq(told.events[0].nsid, -1);
        ck_assert_int_eq(told.events[0].ifindex, 7);
        ck_assert_int_eq(told.events[1].kind, WATCH_NETNS_GONE);
        ck_assert_int_eq(told.events[1].nsid, 42);
}
END_TEST

START_TEST(numbers_of_another_namespace_are_not_ours)
{
        struct told told = { 0 };

        watch_parse(&sample, sizeof(sample), 3, note, &told);
        ck_assert_uint_eq(told.count, 1);
        ck_assert_int_eq(told.events[0].kind, WATCH_ADDRESS_GONE);
        ck_assert_int_eq(told.events[0].nsid, 3);
}
END_TEST

START_TEST(a_datagram_that_is_cut_short_gives_what_is_whole)
{
        for (size_t len = 0; len < sizeof(sample); len++) {
                struct told told = { 0 };
                uint8_t *bytes = malloc(len ? len : 1); /* no byte more, for the sanitizer */

                ck_assert_ptr_nonnull(bytes);
                memcpy(bytes, &sample, len);
                watch_parse(bytes, len, -1, note, &told);
                ck_assert_uint_eq(told.count, len >= sample.address.nlmsg_len);
                free(bytes);
        }
}
END_TEST

START_TEST(lengths_that_cannot_be_end_it)
{
        static const uint32_t lengths[] = { 0, 1, 15, 45, UINT32_MAX };

        for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
                struct told told = { 0 };
                struct nlmsghdr hdr = sample.address;
                uint8_t bytes[44];

                memcpy(bytes, &sample, sizeof(bytes));
                hdr.nlmsg_len = lengths[i];
                memcpy(bytes, &hdr, sizeof(hdr));
                watch_parse(bytes, sizeof(bytes), -1, note, &told);
                ck_assert_uint_eq(told.count, 0);
        }
}
END_TEST

static void add_tests(TCase *tests)
{
        tcase_add_test(tests, a_socket_that_cannot_be_read_is_an_error);
        tcase_add_test(tests, one_datagram_may_hold_several_messages);
        tcase_add_test(tests, numbers_of_another_namespace_are_not_ours);
        tcase_add_test(tests, a_datagram_that_is_cut_short_gives_what_is_whole);
        tcase_add_test(tests, lengths_that_cannot_be_end_it);
        if (!unit_is_root("dhcp/watch"))
                return;
        tcase_add_test(tests, changes_of_a_link_in_a_container_are_told);
        tcase_add_test(tests, addresses_in_a_container_are_told);
        tcase_add_test(tests, the_end_of_a_namespace_is_told_and_not_put_off);
        tcase_add_test(tests, a_port_that_leaves_its_bridge_is_no_link_that_is_gone);
        tcase_add_test(tests, without_the_privilege_namespaces_alone_are_told);
        tcase_add_test(tests, events_that_were_lost_are_told_as_lost);
        tcase_add_test(tests, only_the_kernel_is_believed);
}

UNIT_MAIN("watch", add_tests)

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interfaces, addresses, routes and numbers of namespaces, against the kernel.
 */
#include "net/link.h"

#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <sys/socket.h>

#include "core/netns.h"
#include "net/link-decode.h"
#include "net/space.h"
#include "net/talk.h"

static struct net *open_net(void)
{
        struct net *net = NULL;
        struct err err;

        unit_assert_ok(net_open(&net, &err), &err);
        return net;
}

static int index_of(struct net *net, const char *name)
{
        struct link link;
        struct err err;

        unit_assert_ok(link_get(net, name, &link, &err), &err);
        return link.ifindex;
}

/* An interface with a cable in it, whose other end is up first: so no route is ever without. */
static void make_link(const char *dir, const char *name)
{
        char add[64], up[64], peer_up[64];

        (void)snprintf(add, sizeof(add), "link add %s type veth peer name %s-peer", name, name);
        (void)snprintf(peer_up, sizeof(peer_up), "link set %s-peer up", name);
        (void)snprintf(up, sizeof(up), "link set %s up", name);
        space_set_up(dir, add, peer_up, up, NULL);
}

static struct ipnet network(const char *text)
{
        struct ipnet net;

        ck_assert_int_eq(ipnet_parse(text, &net), 0);
        return net;
}

static struct address address_of(const char *text, const char *broadcast, uint32_t valid_s,
                                 uint32_t preferred_s)
{
        struct address address = { network(text), { 0 }, valid_s, preferred_s };

        if (broadcast)
                ck_assert_int_eq(ip_parse(broadcast, &address.broadcast), 0);
        return address;
}

/* ---- interfaces ---- */

SPACE_TEST(an_interface_is_found_by_name_and_by_number)
{
        struct net *net;
        struct link link = { 0 }, again;
        struct err err;

        space_enter();
        space_run(dir, "link add eth7 address 02:00:00:00:00:07 mtu 1400 type bridge");
        net = open_net();
        unit_assert_ok(link_get(net, "eth7", &link, &err), &err);
        ck_assert_str_eq(link.name, "eth7");
        ck_assert_str_eq(link.kind, "bridge");
        ck_assert_uint_eq(link.type, ARPHRD_ETHER);
        ck_assert_uint_eq(link.mtu, 1400);
        ck_assert_uint_eq(link.address.len, 6);
        ck_assert_mem_eq(link.address.bytes, "\x02\0\0\0\0\x07", 6);
        ck_assert(!link.up && !link.carrier);
        unit_assert_ok(link_get_by_index(net, link.ifindex, &again, &err), &err);
        ck_assert_mem_eq(&link, &again, sizeof(link));
        unit_assert_ok(link_get(net, "lo", &link, &err), &err);
        ck_assert_str_eq(link.kind, "");
        ck_assert_int_eq(link.ifindex, 1);
        ck_assert_uint_eq(link.type, ARPHRD_LOOPBACK);
        net_close(net);
}

SPACE_TEST(an_interface_that_is_not_there_is_absent)
{
        static const char *const names[] = { "none", "", "a-name-of-16-let", "%d" };
        static const int numbers[] = { 77, 0, -1 };
        struct net *net;
        struct link link;
        struct err err;

        space_enter();
        net = open_net();
        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                ck_assert_int_eq(link_get(net, names[i], &link, &err), LINK_ABSENT);
        for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
                ck_assert_int_eq(link_get_by_index(net, numbers[i], &link, &err), LINK_ABSENT);
        ck_assert_int_eq(link_set_up(net, 77, true, &err), LINK_ABSENT);
        net_close(net);
}

SPACE_TEST(kinds_are_told_apart)
{
        static const char *const kinds[] = { "veth", "bridge", "macvlan" };
        struct net *net;
        struct link link;
        struct err err;

        space_enter();
        space_set_up(dir, "link add veth type veth peer name peer", "link add bridge type bridge",
                     "link add macvlan link veth type macvlan", NULL);
        net = open_net();
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
                unit_assert_ok(link_get(net, kinds[i], &link, &err), &err);
                ck_assert_str_eq(link.kind, kinds[i]);
        }
        net_close(net);
}

/* The kernel tells carrier a moment later. */
static void wait_for_carrier(struct net *net, int ifindex, bool carrier)
{
        struct timespec start = { 0 };
        struct link link;
        struct err err;

        do
                unit_assert_ok(link_get_by_index(net, ifindex, &link, &err), &err);
        while (link.carrier != carrier && space_wait(&start));
        ck_assert(link.carrier == carrier);
}

SPACE_TEST(an_interface_goes_up_and_down)
{
        struct net *net;
        struct link link;
        struct err err;
        int here, there;

        space_enter();
        space_run(dir, "link add here type veth peer name there");
        net = open_net();
        here = index_of(net, "here");
        there = index_of(net, "there");
        unit_assert_ok(link_set_up(net, here, true, &err), &err);
        unit_assert_ok(link_get(net, "here", &link, &err), &err);
        ck_assert(link.up && !link.carrier);
        unit_assert_ok(link_set_up(net, there, true, &err), &err);
        wait_for_carrier(net, here, true);
        unit_assert_ok(link_set_up(net, there, false, &err), &err);
        wait_for_carrier(net, here, false);
        unit_assert_ok(link_set_up(net, here, false, &err), &err);
        unit_assert_ok(link_get(net, "here", &link, &err), &err);
        ck_assert(!link.up);
        net_close(net);
}

SPACE_TEST(what_is_not_permitted_says_so)
{
        struct net *net;
        struct err err;
        int r;

        space_enter();
        net = open_net();
        ck_assert_int_eq(seteuid(65534), 0);
        r = link_set_up(net, 1, true, &err);
        unit_assert_err(r, &err, CNI_ERR_INTERNAL, "set interface 1 up: operation not permitted");
        net_close(net);
}

/* ---- answers about devices that not every kernel can make ---- */

/* A message with an interface header and attributes. */
struct message {
        struct nlmsghdr hdr;
        struct ifinfomsg info;
        uint8_t bytes[256];
};

static struct rtattr *put(struct message *message, uint16_t type, const void *data, size_t len)
{
        struct rtattr *attribute = (void *)((char *)message + NLMSG_ALIGN(message->hdr.nlmsg_len));

        attribute->rta_type = type;
        attribute->rta_len = (uint16_t)RTA_LENGTH(len);
        if (len > 0)
                memcpy(RTA_DATA(attribute), data, len);
        message->hdr.nlmsg_len = NLMSG_ALIGN(message->hdr.nlmsg_len) + RTA_ALIGN(RTA_LENGTH(len));
        return attribute;
}

static void put_kind(struct message *message, const char *kind)
{
        struct rtattr *info = put(message, IFLA_LINKINFO, NULL, 0);

        put(message, IFLA_INFO_KIND, kind, strlen(kind) + 1);
        put(message, IFLA_INFO_DATA, "\x06\0\x01\0\0\0\0", 8); /* IFLA_IPVLAN_MODE: L2 */
        info->rta_len = (uint16_t)((char *)message + message->hdr.nlmsg_len - (char *)info);
}

static struct message link_message(const char *kind)
{
        struct message message = {
                .hdr = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
                         .nlmsg_type = RTM_NEWLINK },
                .info = { .ifi_type = ARPHRD_ETHER, .ifi_index = 5, .ifi_flags = IFF_UP },
        };

        put(&message, IFLA_IFNAME, "eth0", 5);
        put(&message, IFLA_ADDRESS, "\x02\x11\x22\x33\x44\x55", 6);
        put_kind(&message, kind);
        return message;
}

START_TEST(ipvlan_is_known_by_its_kind)
{
        struct message message = link_message("ipvlan");
        struct link link;

        ck_assert_int_eq(link_decode(&message.hdr, &link), 0);
        ck_assert_str_eq(link.kind, "ipvlan");
        ck_assert_str_eq(link.name, "eth0");
        ck_assert_uint_eq(link.address.len, 6);
        ck_assert_int_eq(link.ifindex, 5);
        ck_assert(link.up && !link.carrier);
}
END_TEST

START_TEST(an_infiniband_address_is_kept_whole)
{
        struct message message = link_message("ipoib");
        const uint8_t address[20] = { 0x80, [4] = 0xfe, [19] = 0x99 };
        struct link link;

        message.info.ifi_type = ARPHRD_INFINIBAND;
        put(&message, IFLA_ADDRESS, address, sizeof(address));
        ck_assert_int_eq(link_decode(&message.hdr, &link), 0);
        ck_assert_uint_eq(link.type, ARPHRD_INFINIBAND);
        ck_assert_uint_eq(link.address.len, sizeof(address));
        ck_assert_mem_eq(link.address.bytes, address, sizeof(address));
}
END_TEST

START_TEST(texts_that_are_too_long_are_cut)
{
        struct message message = link_message("a-kind-whose-name-is-longer-than-32-characters");
        struct link link;

        put(&message, IFLA_IFNAME, "a-name-of-more-than-15", 23);
        ck_assert_int_eq(link_decode(&message.hdr, &link), 0);
        ck_assert_str_eq(link.kind, "a-kind-whose-name-is-longer-tha");
        ck_assert_str_eq(link.name, "a-name-of-more-");
}
END_TEST

START_TEST(other_messages_are_refused)
{
        struct message message = link_message("ipvlan");
        struct link link;

        message.hdr.nlmsg_type = RTM_NEWADDR;
        ck_assert_int_eq(link_decode(&message.hdr, &link), -EBADMSG);
        message.hdr.nlmsg_type = RTM_NEWLINK;
        message.hdr.nlmsg_len = NLMSG_LENGTH(4);
        ck_assert_int_eq(link_decode(&message.hdr, &link), -EBADMSG);
}
END_TEST

/* ---- addresses ---- */

static const struct {
        const char *wanted;
        uint8_t prefix; /* instead */
        int outcome;
} find_rows[] = {
        { "10.1.2.3/24", 24, 0 },
        { "10.1.2.3/24", LINK_ANY_PREFIX, 0 },
        { "10.1.2.3/24", 25, LINK_ABSENT },
        { "10.1.2.3/24", 0, LINK_ABSENT },
        { "10.1.2.4/24", LINK_ANY_PREFIX, LINK_ABSENT },
        { "10.9.9.9/32", LINK_ANY_PREFIX, LINK_ABSENT }, /* another interface's */
};

SPACE_TEST(an_address_is_found_with_its_prefix_or_any)
{
        struct address found;
        struct net *net;
        struct err err;
        int ifindex;

        space_enter();
        space_set_up(dir, "link add eth0 type bridge", "link add eth1 type bridge",
                     "addr add 10.1.2.3/24 broadcast 10.1.2.255 dev eth0",
                     "addr add 10.9.9.9/32 dev eth1", NULL);
        net = open_net();
        ifindex = index_of(net, "eth0");
        for (size_t i = 0; i < ARRAY_SIZE(find_rows); i++) {
                struct ipnet wanted = network(find_rows[i].wanted);
                int r;

                wanted.prefix = find_rows[i].prefix;
                r = link_find_address(net, ifindex, &wanted, &found, &err);
                ck_assert_msg(r == find_rows[i].outcome, "row %zu: %d", i, r);
                if (r == 0) {
                        char text[IPNET_TEXT_MAX];

                        ck_assert_str_eq(ipnet_format(&found.net, text), "10.1.2.3/24");
                        ck_assert_str_eq(ip_format(&found.broadcast, text), "10.1.2.255");
                        ck_assert_uint_eq(found.valid_s, LINK_FOREVER);
                        ck_assert_uint_eq(found.preferred_s, LINK_FOREVER);
                }
        }
        ck_assert_int_eq(link_find_address(net, 77, &found.net, &found, &err), LINK_ABSENT);
        net_close(net);
}

SPACE_TEST(an_address_is_set_with_broadcast_and_lifetime)
{
        const struct address wanted = address_of("10.1.2.3/24", "10.1.2.255", 3600, 1800);
        struct net *net;
        struct err err;

        space_enter();
        make_link(dir, "eth0");
        net = open_net();
        unit_assert_ok(link_set_address(net, index_of(net, "eth0"), &wanted, &err), &err);
        ck_assert_ptr_nonnull(strstr(space_read(dir, "-4 addr show dev eth0"),
                                     "inet 10.1.2.3/24 brd 10.1.2.255 scope global dynamic eth0"));
        ck_assert_ptr_nonnull(strstr(space_read(dir, "-4 route show"), "10.1.2.0/24 dev eth0"));
        net_close(net);
}

SPACE_TEST(an_address_that_is_there_gets_new_lifetimes_alone)
{
        const struct address forever = address_of("10.1.2.3/24", NULL, LINK_FOREVER, LINK_FOREVER);
        const struct address limited = address_of("10.1.2.3/24", "10.1.2.9", 3600, 1800);
        _cleanup_(freep) char *before = NULL;
        struct address found;
        struct net *net;
        struct err err;
        int ifindex;

        space_enter();
        make_link(dir, "eth0");
        space_set_up(dir, "addr add 10.1.2.3/24 broadcast 10.1.2.255 metric 50 dev eth0",
                     "route add 10.7.0.0/16 via 10.1.2.1", NULL);
        before = space_keep(dir, "-4 route show table all");
        net = open_net();
        ifindex = index_of(net, "eth0");
        unit_assert_ok(link_set_address(net, ifindex, &limited, &err), &err);
        unit_assert_ok(link_find_address(net, ifindex, &limited.net, &found, &err), &err);
        ck_assert_uint_gt(found.valid_s, 3500);
        ck_assert_uint_le(found.valid_s, 3600);
        ck_assert_uint_gt(found.preferred_s, 1700);
        ck_assert_uint_le(found.preferred_s, 1800);
        ck_assert_int_eq(found.broadcast.bytes[3], 255);
        ck_assert_ptr_nonnull(strstr(before, "10.1.2.0/24 dev eth0 proto kernel scope link src "
                                             "10.1.2.3 metric 50"));
        ck_assert_str_eq(space_read(dir, "-4 route show table all"), before);
        unit_assert_ok(link_set_address(net, ifindex, &forever, &err), &err);
        unit_assert_ok(link_find_address(net, ifindex, &limited.net, &found, &err), &err);
        ck_assert_uint_eq(found.valid_s, LINK_FOREVER);
        ck_assert_str_eq(space_read(dir, "-4 route show table all"), before);
        net_close(net);
}

SPACE_TEST(an_address_is_removed_with_its_own_prefix_alone)
{
        const struct ipnet address = network("10.1.2.3/24"), other = network("10.1.2.3/32");
        struct net *net;
        struct err err;
        int ifindex;

        space_enter();
        make_link(dir, "eth0");
        space_set_up(dir, "addr add 10.1.2.3/24 dev eth0", NULL);
        net = open_net();
        ifindex = index_of(net, "eth0");
        ck_assert_int_eq(link_remove_address(net, ifindex, &other, &err), LINK_ABSENT);
        ck_assert_ptr_nonnull(strstr(space_read(dir, "-4 addr show"), "10.1.2.3/24"));
        unit_assert_ok(link_remove_address(net, ifindex, &address, &err), &err);
        ck_assert_ptr_null(strstr(space_read(dir, "-4 addr show"), "10.1.2.3"));
        ck_assert_int_eq(link_remove_address(net, ifindex, &address, &err), LINK_ABSENT);
        ck_assert_int_eq(link_remove_address(net, 77, &address, &err), LINK_ABSENT);
        net_close(net);
}

SPACE_TEST(an_address_that_cannot_be_set_is_named)
{
        const struct address wanted = address_of("10.1.2.3/24", NULL, LINK_FOREVER, LINK_FOREVER);
        const struct address never = address_of("10.1.2.3/24", NULL, 0, 0);
        struct net *net;
        struct err err;
        int r;

        space_enter();
        net = open_net();
        r = link_set_address(net, 77, &wanted, &err);
        unit_assert_err(r, &err, CNI_ERR_INTERNAL,
                        "set address 10.1.2.3/24 of interface 77: no such device");
        r = link_set_address(net, 1, &never, &err);
        unit_assert_err(r, &err, CNI_ERR_INTERNAL,
                        "set address 10.1.2.3/24 of interface 1: invalid argument");
        net_close(net);
}

SPACE_TEST(one_of_many_addresses_is_found)
{
        struct ipnet wanted;
        struct address found;
        char path[UNIT_PATH_MAX], line[UNIT_PATH_MAX + 32];
        struct net *net;
        struct err err;
        FILE *batch;

        space_enter();
        batch = fopen(unit_path(dir, "batch", path), "we");
        ck_assert_ptr_nonnull(batch);
        (void)fputs("link add eth0 type bridge\n", batch);
        for (int i = 0; i < 1000; i++)
                (void)fprintf(batch, "addr add 10.1.%d.%d/32 dev eth0\n", i / 200, i % 200 + 1);
        ck_assert_int_eq(fclose(batch), 0);
        (void)snprintf(line, sizeof(line), "-batch %s", path);
        space_run(dir, line);
        net = open_net();
        wanted = network("10.1.4.200/32");
        unit_assert_ok(link_find_address(net, index_of(net, "eth0"), &wanted, &found, &err), &err);
        net_close(net);
}

/* ---- routes ---- */

/* Every kind of route that people put on a container's interface. */
static void make_routes(const char *dir)
{
        make_link(dir, "eth0");
        make_link(dir, "eth1");
        space_set_up(dir, "addr add 10.1.2.3/24 dev eth0", "addr add 10.1.2.4/24 dev eth0",
                     "addr add 10.8.0.1/24 dev eth1", "route add default via 10.1.2.1",
                     "route add default via 10.1.2.2 metric 50 proto static",
                     "route add 10.7.0.0/16 via 10.1.2.1 mtu 1400 advmss 1360 src 10.1.2.4",
                     "route add 10.6.0.0/16 dev eth0 scope link",
                     "route add 10.5.0.0/16 via 10.99.0.1 dev eth0 onlink",
                     "route add 10.4.0.0/16 via 10.1.2.1 table 100000",
                     "route add 10.3.0.0/16 via 10.1.2.1 tos 0x10",
                     "route add 10.2.0.0/16 via inet6 fe80::1 dev eth0",
                     "route add 10.6.0.0/16 via 10.1.2.1 metric 9",
                     "route add 10.44.0.0/16 via 10.8.0.2", NULL);
}

SPACE_TEST(routes_that_went_with_their_address_are_put_back_as_they_were)
{
        const struct address addresses[] = {
                address_of("10.1.2.3/24", NULL, LINK_FOREVER, LINK_FOREVER),
                address_of("10.1.2.4/24", NULL, LINK_FOREVER, LINK_FOREVER),
        };
        _cleanup_(link_routes_done) struct link_routes routes = { 0 };
        _cleanup_(freep) char *before = NULL;
        struct net *net;
        struct err err;
        int ifindex;

        space_enter();
        make_routes(dir);
        before = space_keep(dir, "-4 route show table all");
        net = open_net();
        ifindex = index_of(net, "eth0");
        unit_assert_ok(link_list_routes(net, ifindex, &routes, &err), &err);
        ck_assert_uint_eq(routes.count, 9);
        space_set_up(dir, "link set eth0 down", "addr flush dev eth0", "link set eth0 up", NULL);
        ck_assert_ptr_null(strstr(space_read(dir, "-4 route show table all"), "eth0"));
        for (size_t i = 0; i < ARRAY_SIZE(addresses); i++)
                unit_assert_ok(link_set_address(net, ifindex, &addresses[i], &err), &err);
        for (size_t i = 0; i < routes.count; i++)
                unit_assert_ok(link_add_route(net, ifindex, &routes.items[i], &err), &err);
        ck_assert_str_eq(space_read(dir, "-4 route show table all"), before);
        net_close(net);
}

SPACE_TEST(a_route_that_is_there_is_as_good_as_added)
{
        _cleanup_(link_routes_done) struct link_routes routes = { 0 };
        _cleanup_(freep) char *before = NULL;
        struct net *net;
        struct err err;

        space_enter();
        make_routes(dir);
        before = space_keep(dir, "-4 route show table all");
        net = open_net();
        unit_assert_ok(link_list_routes(net, index_of(net, "eth0"), &routes, &err), &err);
        for (size_t i = 0; i < routes.count; i++)
                unit_assert_ok(link_add_route(net, index_of(net, "eth0"), &routes.items[i], &err),
                               &err);
        ck_assert_str_eq(space_read(dir, "-4 route show table all"), before);
        net_close(net);
}

SPACE_TEST(another_gateway_is_another_route)
{
        struct link_route route = { .dst = network("0.0.0.0/0"),
                                    .table = RT_TABLE_MAIN,
                                    .protocol = RTPROT_BOOT,
                                    .type = RTN_UNICAST };
        struct net *net;
        struct err err;

        space_enter();
        make_link(dir, "eth0");
        space_set_up(dir, "addr add 10.1.2.3/24 dev eth0", "route add default via 10.1.2.1", NULL);
        net = open_net();
        ck_assert_int_eq(ip_parse("10.1.2.9", &route.gw), 0);
        unit_assert_ok(link_add_route(net, index_of(net, "eth0"), &route, &err), &err);
        ck_assert_str_eq(space_read(dir, "-4 route show default"),
                         "default via 10.1.2.1 dev eth0 \ndefault via 10.1.2.9 dev eth0 \n");
        net_close(net);
}

SPACE_TEST(host_bits_of_a_destination_do_not_count)
{
        struct link_route route = { .dst = network("10.7.1.2/16"),
                                    .table = RT_TABLE_MAIN,
                                    .scope = RT_SCOPE_LINK,
                                    .protocol = RTPROT_BOOT,
                                    .type = RTN_UNICAST };
        struct net *net;
        struct err err;

        space_enter();
        make_link(dir, "eth0");
        net = open_net();
        unit_assert_ok(link_add_route(net, index_of(net, "eth0"), &route, &err), &err);
        ck_assert_str_eq(space_read(dir, "-4 route show"), "10.7.0.0/16 dev eth0 scope link \n");
        net_close(net);
}

SPACE_TEST(routes_are_appended_to_those_that_the_caller_has)
{
        _cleanup_(link_routes_done) struct link_routes routes = { 0 };
        struct net *net;
        struct err err;

        space_enter();
        make_routes(dir);
        make_link(dir, "eth2");
        space_set_up(dir, "route add 10.33.0.0/16 nexthop dev eth0 nexthop dev eth2", NULL);
        net = open_net();
        unit_assert_ok(link_list_routes(net, index_of(net, "eth1"), &routes, &err), &err);
        ck_assert_uint_eq(routes.count, 1);
        unit_assert_ok(link_list_routes(net, index_of(net, "eth0"), &routes, &err), &err);
        ck_assert_uint_eq(routes.count, 1 + 9);
        ck_assert_int_eq(routes.items[0].dst.ip.bytes[1], 44);
        ck_assert_int_eq(link_list_routes(net, 77, &routes, &err), LINK_ABSENT);
        ck_assert_uint_eq(routes.count, 1 + 9);
        net_close(net);
}

SPACE_TEST(a_route_that_the_kernel_refuses_is_named)
{
        struct link_route route = { .dst = network("10.7.0.0/16"),
                                    .table = RT_TABLE_MAIN,
                                    .protocol = RTPROT_BOOT,
                                    .type = RTN_UNICAST };
        struct net *net;
        struct err err;
        int r;

        space_enter();
        net = open_net();
        ck_assert_int_eq(ip_parse("10.1.2.1", &route.gw), 0);
        r = link_add_route(net, 1, &route, &err);
        unit_assert_err(r, &err, CNI_ERR_INTERNAL,
                        "add route 10.7.0.0/16 over interface 1: network is unreachable");
        net_close(net);
}

/* ---- namespaces ---- */

SPACE_TEST(a_socket_stays_in_the_namespace_that_it_was_opened_in)
{
        struct net *first, *same, *second;
        struct link link;
        struct err err;

        space_enter();
        space_run(dir, "link add inside type bridge");
        first = open_net();
        same = open_net();
        space_enter();
        second = open_net();
        unit_assert_ok(link_get(first, "inside", &link, &err), &err);
        ck_assert_int_eq(link_get(second, "inside", &link, &err), LINK_ABSENT);
        ck_assert_uint_ne(net_cookie(first), 0);
        ck_assert_uint_eq(net_cookie(first), net_cookie(same));
        ck_assert_uint_ne(net_cookie(first), net_cookie(second));
        net_close(first);
        net_close(same);
        net_close(second);
}

SPACE_TEST(a_namespace_has_one_number_until_it_ends)
{
        struct timespec start = { 0 };
        int own, other, nsid = -7, again = -8, r;
        struct net *net;
        struct err err;

        own = space_enter();
        net = open_net();
        other = space_enter();
        unit_assert_ok(link_name_netns(net, other, &nsid, &err), &err);
        ck_assert_int_ge(nsid, 0);
        unit_assert_ok(link_name_netns(net, other, &again, &err), &err);
        ck_assert_int_eq(nsid, again);
        unit_assert_ok(link_find_netns(net, nsid, &err), &err);
        ck_assert_int_eq(link_find_netns(net, nsid + 1, &err), LINK_ABSENT);
        /* The number keeps nothing alive. */
        ck_assert_int_eq(setns(own, CLONE_NEWNET), 0);
        close(other);
        do
                r = link_find_netns(net, nsid, &err);
        while (r == 0 && space_wait(&start));
        ck_assert_int_eq(r, LINK_ABSENT);
        r = link_name_netns(net, 999, &nsid, &err);
        unit_assert_err(r, &err, CNI_ERR_INTERNAL,
                        "give a network namespace a number: bad file descriptor");
        net_close(net);
}

/* ---- the socket itself ---- */

/* Somebody in the container who may do so writes to our socket. */
static void forge_answer(uint32_t seq)
{
        const struct sockaddr_nl to = { .nl_family = AF_NETLINK, .nl_pid = (uint32_t)getpid() };
        struct message message = link_message("forged");
        int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

        message.hdr.nlmsg_seq = seq;
        ck_assert_int_eq(
                sendto(fd, &message, message.hdr.nlmsg_len, 0, (const void *)&to, sizeof(to)), -1);
        ck_assert_int_eq(errno, ECONNREFUSED);
        close(fd);
}

SPACE_TEST(only_the_kernel_answers)
{
        struct link link;
        struct net *net;
        struct err err;

        space_enter();
        net = open_net();
        for (uint32_t seq = 0; seq < 4; seq++)
                forge_answer(seq);
        for (int i = 0; i < 3; i++) {
                unit_assert_ok(link_get(net, "lo", &link, &err), &err);
                ck_assert_str_eq(link.name, "lo");
        }
        net_close(net);
}

static int count_answer(void *user, _unused_ struct nlmsghdr *answer)
{
        ++*(int *)user;
        return 0;
}

SPACE_TEST(an_answer_that_comes_too_late_is_not_taken_for_another)
{
        struct ifinfomsg header = { .ifi_index = 1 };
        struct request request = request_make(RTM_GETLINK, NLM_F_ACK, &header, sizeof(header));
        struct link link = { 0 };
        struct net *net;
        struct err err;
        int answers = 0;

        space_enter();
        net = open_net();
        /* The second answer, that the first was given, stays unread. */
        ck_assert_int_eq(net_ask(net, &request, count_answer, &answers), 0);
        ck_assert_int_eq(answers, 1);
        unit_assert_ok(link_get(net, "lo", &link, &err), &err);
        ck_assert_str_eq(link.name, "lo");
        request_done(&request);
        net_close(net);
}

SPACE_TEST(the_socket_is_not_inherited)
{
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC); /* the next one follows it */
        struct net *net;

        space_enter();
        close(fd);
        net = open_net();
        ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
        net_close(net);
        ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
        net_close(NULL);
}

static void add_tests(TCase *tests)
{
        tcase_add_test(tests, ipvlan_is_known_by_its_kind);
        tcase_add_test(tests, an_infiniband_address_is_kept_whole);
        tcase_add_test(tests, texts_that_are_too_long_are_cut);
        tcase_add_test(tests, other_messages_are_refused);
        if (!unit_is_root("net/link"))
                return;
        tcase_add_test(tests, an_interface_is_found_by_name_and_by_number);
        tcase_add_test(tests, an_interface_that_is_not_there_is_absent);
        tcase_add_test(tests, kinds_are_told_apart);
        tcase_add_test(tests, an_interface_goes_up_and_down);
        tcase_add_test(tests, what_is_not_permitted_says_so);
        tcase_add_test(tests, an_address_is_found_with_its_prefix_or_any);
        tcase_add_test(tests, an_address_is_set_with_broadcast_and_lifetime);
        tcase_add_test(tests, an_address_that_is_there_gets_new_lifetimes_alone);
        tcase_add_test(tests, an_address_is_removed_with_its_own_prefix_alone);
        tcase_add_test(tests, an_address_that_cannot_be_set_is_named);
        tcase_add_test(tests, one_of_many_addresses_is_found);
        tcase_add_test(tests, routes_that_went_with_their_address_are_put_back_as_they_were);
        tcase_add_test(tests, a_route_that_is_there_is_as_good_as_added);
        tcase_add_test(tests, another_gateway_is_another_route);
        tcase_add_test(tests, host_bits_of_a_destination_do_not_count);
        tcase_add_test(tests, routes_are_appended_to_those_that_the_caller_has);
        tcase_add_test(tests, a_route_that_the_kernel_refuses_is_named);
        tcase_add_test(tests, a_socket_stays_in_the_namespace_that_it_was_opened_in);
        tcase_add_test(tests, a_namespace_has_one_number_until_it_ends);
        tcase_add_test(tests, only_the_kernel_answers);
        tcase_add_test(tests, an_answer_that_comes_too_late_is_not_taken_for_another);
        tcase_add_test(tests, the_socket_is_not_inherited);
}

UNIT_MAIN("link", add_tests)

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses and networks. Numbers in comments: host-local.md 6.7 (pkg/ip), cni-contract.md 8.1 to
 * 8.4 and 9.3.
 */
#include "core/ip.h"

#include <arpa/inet.h>

#include "values.h"

/* ip_test Parse, String, Decode; 8.1, 8.3. The canonical text; NULL: no address. T10 */
static const struct {
        const char *text, *want;
} ip_rows[] = {
        { "10.0.0.5", "10.0.0.5" },
        { "0.0.0.0", "0.0.0.0" },
        { "255.255.255.255", "255.255.255.255" },
        { "1.22.133.244", "1.22.133.244" },
        { "192.168.0.1", "192.168.0.1" },
        { "2001:db8::1", "2001:db8::1" },
        { "2001:DB8:0:0:0:0:0:1", "2001:db8::1" },
        { "2001:0db8:0001:0000:0000:0000:0000:0002", "2001:db8:1::2" },
        { "::", "::" },
        { "::1", "::1" },
        { "1::", "1::" },
        { "0:0:0:0:0:0:0:0", "::" },
        { "1:0:0:2:0:0:0:3", "1:0:0:2::3" },      /* the longest run */
        { "1:0:0:2:3:0:0:4", "1::2:3:0:0:4" },    /* the first on a tie */
        { "1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7" }, /* a single group stays */
        { "1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0" },
        { "::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8" },
        { "0:0:1:2:3:4:5:6", "::1:2:3:4:5:6" },
        { "1:2:3:4:5:6:0:0", "1:2:3:4:5:6::" },
        { "fe80::ff:ffff", "fe80::ff:ffff" },
        { "::102:304", "::102:304" }, /* not ::1.2.3.4, as inet_ntop has it */
        { "::1.2.3.4", "::102:304" },
        { "::2:3", "::2:3" },
        { "::ff:ffff", "::ff:ffff" },
        { "::fffe:1.2.3.4", "::fffe:102:304" },
        { "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304" },
        { "64:ff9b::192.0.2.33", "64:ff9b::c000:221" },
        { "::ffff:10.0.0.1", "10.0.0.1" }, /* mapped is IPv4 */
        { "::FFFF:a00:1", "10.0.0.1" },
        { "0:0:0:0:0:ffff:0a00:0001", "10.0.0.1" },
        { "::ffff:0.0.0.0", "0.0.0.0" },
        { "::ffff:0:0:0", "::ffff:0:0:0" },
        { "", NULL },
        { "test", NULL },
        { "010.0.0.5", NULL },
        { "10.0.0.05", NULL },
        { "10.0.0.00", NULL },
        { "10.0.0", NULL },
        { "0", NULL },
        { "1.2.3.4.5", NULL },
        { "1.2.3.4.", NULL },
        { ".1.2.3.4", NULL },
        { "1..3.4", NULL },
        { "10.0.0.256", NULL },
        { "192.168.0.1000", NULL },
        { "0x1.2.3.4", NULL },
        { "+1.2.3.4", NULL },
        { "-1.2.3.4", NULL },
        { " 1.2.3.4", NULL },
        { "1.2.3.4 ", NULL },
        { "1.2.3.4\n", NULL },
        { "1.2.3.4/24", NULL },
        { "fe80::1%eth0", NULL },
        { "2001:db8::192.168.0.01", NULL },
        { "1:2:3:4:5:6:7:8::", NULL },
        { "::1:2:3:4:5:6:7:8", NULL },
        { "1:2:3:4:5:6:7:8:9", NULL },
        { "1:2:3:4:5:6:7", NULL },
        { "1::2::3", NULL },
        { ":::", NULL },
        { ":", NULL },
        { ":1", NULL },
        { "1:", NULL },
        { "00001::", NULL },
        { "12345::", NULL },
        { "g::", NULL },
        { "::1.2.3", NULL },
        { "::1.2.3.4:5", NULL },
        { "1:2:3:4:5:6:7:1.2.3.4", NULL },
        { "[::1]", NULL },
};

START_TEST(addresses_are_read_and_written_as_go_does)
{
        char text[IP_TEXT_MAX];
        struct ip got = { .family = 99 };
        int r = ip_parse(ip_rows[_i].text, &got);

        if (!ip_rows[_i].want) {
                ck_assert_int_eq(r, -EINVAL);
                ck_assert_uint_eq(got.family, 99);
                return;
        }
        ck_assert_int_eq(r, 0);
        ck_assert_str_eq(ip_format(&got, text), ip_rows[_i].want);
        ck_assert_uint_eq(got.family, strchr(ip_rows[_i].want, ':') ? IP_V6 : IP_V4);
}
END_TEST

START_TEST(an_unset_address_is_written_as_nil)
{
        const struct ip unset = { 0 };
        const struct ipnet unset_net = { 0 };
        char text[IPNET_TEXT_MAX];

        ck_assert_str_eq(ip_format(&unset, text), "<nil>");
        ck_assert_str_eq(ipnet_format(&unset_net, text), "<nil>");
}
END_TEST

START_TEST(every_byte_of_ipv4_is_written_in_decimal)
{
        char text[IP_TEXT_MAX], want[IP_TEXT_MAX];
        uint8_t byte = (uint8_t)_i;
        struct ip a = { .family = IP_V4, .bytes = { byte, 0, byte, 255 } };

        (void)snprintf(want, sizeof(want), "%d.0.%d.255", _i, _i);
        ck_assert_str_eq(ip_format(&a, text), want);
}
END_TEST

/* Where no zeros lie in front, inet_ntop(3) knows the same rules. */
START_TEST(ipv6_texts_agree_with_the_c_library)
{
        unsigned state = 4711 + (unsigned)_i;
        char text[IP_TEXT_MAX], want[INET6_ADDRSTRLEN];

        for (int n = 0; n < 2000; n++) {
                struct ip a = { .family = IP_V6, .bytes = { 0x20, 1 } };
                struct ip back;

                for (size_t i = 2; i < 16; i++) {
                        state = state * 1103515245 + 12345;
                        a.bytes[i] = state >> 16 & 0x300 ? 0 : (uint8_t)(state >> 20);
                }
                ip_format(&a, text);
                ck_assert_ptr_nonnull(inet_ntop(AF_INET6, a.bytes, want, sizeof(want)));
                ck_assert_str_eq(text, want);
                ck_assert_int_eq(ip_parse(text, &back), 0);
                ck_assert(ip_equal(&a, &back));
        }
}
END_TEST

/* 8.2; T13, T14, T17. The text printed back; NULL: no network. */
static const struct {
        const char *text, *want;
        unsigned prefix;
        bool mapped;
} net_rows[] = {
        { "1.2.3.4/24", "1.2.3.4/24", 24, false },
        { "2001:db8::/32", "2001:db8::/32", 32, false },
        { "10.1.2.0/024", "10.1.2.0/24", 24, false },
        { "10.1.2.0/0000000000024", "10.1.2.0/24", 24, false },
        { "0.0.0.0/0", "0.0.0.0/0", 0, false },
        { "10.0.0.1/32", "10.0.0.1/32", 32, false },
        { "::/0", "::/0", 0, false },
        { "::1/128", "::1/128", 128, false },
        { "10.9.9.9/16", "10.9.9.9/16", 16, false }, /* host bits stay */
        { "::ffff:10.0.0.1/120", "10.0.0.1/24", 24, true },
        { "::ffff:10.0.0.1/96", "10.0.0.1/0", 0, true },
        { "::ffff:10.0.0.1/128", "10.0.0.1/32", 32, true },
        { "::ffff:10.0.0.1/95", NULL, 0, false },
        { "::ffff:10.0.0.1/24", NULL, 0, false },
        { "::ffff:10.0.0.1/129", NULL, 0, false },
        { "", NULL, 0, false },
        { "/", NULL, 0, false },
        { "/24", NULL, 0, false },
        { "1.2.3/45", NULL, 0, false },
        { "10.1.2.0", NULL, 0, false },
        { "10.1.2.0/", NULL, 0, false },
        { "1.2.3.4/99", NULL, 0, false },
        { "10.1.2.0/33", NULL, 0, false },
        { "2001:db8::1/129", NULL, 0, false },
        { "2001:db8::1/256", NULL, 0, false },
        { "10.1.2.0/+24", NULL, 0, false },
        { "10.1.2.0/-1", NULL, 0, false },
        { "10.1.2.0/ 24", NULL, 0, false },
        { "10.1.2.0/24 ", NULL, 0, false },
        { " 10.1.2.0/24", NULL, 0, false },
        { "10.1.2.0/24/8", NULL, 0, false },
        { "10.1.2.0/0x18", NULL, 0, false },
        { "10.01.2.0/24", NULL, 0, false },
        { "fe80::%eth0/64", NULL, 0, false },
        { "10.1.2.0/99999999999999999999999", NULL, 0, false },
        { "10.1.2.0/255.255.255.0", NULL, 0, false },
        { "00000000000000000000000000000000000000000000000000000000000000000000.0.0.0/8", NULL, 0,
          false },
};

START_TEST(networks_are_read_and_written_as_go_does)
{
        char text[IPNET_TEXT_MAX];
        struct ipnet got = { .prefix = 77 };
        int r = ipnet_parse(net_rows[_i].text, &got);

        if (!net_rows[_i].want) {
                ck_assert_int_eq(r, -EINVAL);
                ck_assert_uint_eq(got.prefix, 77);
                return;
        }
        ck_assert_int_eq(r, 0);
        ck_assert_str_eq(ipnet_format(&got, text), net_rows[_i].want);
        ck_assert_uint_eq(got.prefix, net_rows[_i].prefix);
        ck_assert_int_eq(got.mapped, net_rows[_i].mapped);
}
END_TEST

/* whereabouts-plugin.md 1.2, 1.5, 6.2 rows 9 to 12; what else Go before 1.17 took. NULL: neither an
 * address nor, with "/24" behind it, a network. */
static const struct {
        const char *text, *want;
} lenient_rows[] = {
        { "192.168.1.5", "192.168.1.5" },
        { "00192.00168.1.5", "192.168.1.5" },
        { "000000192.168.1.25", "192.168.1.25" },
        { "00192.00168.01.209", "192.168.1.209" },
        { "000.00.0.0000", "0.0.0.0" },
        { "010.8.09.077", "10.8.9.77" }, /* decimal, never octal */
        { "000000000000000000000000000000000000000000000000000000000000000010.0.0.1", "10.0.0.1" },
        { "2001:db8:480:603d:0304:0403:000:0000", "2001:db8:480:603d:304:403::" },
        { "2001:db8:5422:0005::", "2001:db8:5422:5::" },
        { "00fd::00001", "fd::1" },
        { "00000::", "::" },
        { "::ffff:010.031.0.07", "10.31.0.7" },
        { "64:ff9b::00192.0.02.033", "64:ff9b::c000:221" },
        { "fd00::", "fd00::" },
        { "", NULL },
        { "0", NULL },
        { "00", NULL },
        { ".", NULL },
        { "0256.1.1.1", NULL },
        { "1.2.3", NULL },
        { "01.02.03.", NULL },
        { "01.02.03.04.05", NULL },
        { "0x1.2.3.4", NULL },
        { "00a.1.1.1", NULL },
        { " 01.2.3.4", NULL },
        { "01.2.3.4 ", NULL },
        { "01.2.3.-4", NULL },
        { "012345::", NULL },
        { "0g::", NULL },
        { ":::", NULL },
        { "fe80::01%eth0", NULL },
        { "1111111111111111111111111111111111111111111111111111111111111111.0.0.1", NULL },
};

START_TEST(a_lenient_parser_takes_leading_zeros)
{
        char text[IPNET_TEXT_MAX], with_prefix[256];
        struct ip got = { .family = 99 };
        struct ipnet got_net = { .prefix = 77 };
        int r = ip_parse_lenient(lenient_rows[_i].text, &got);

        (void)snprintf(with_prefix, sizeof(with_prefix), "%s/%s", lenient_rows[_i].text,
                       strstr(lenient_rows[_i].text, "ffff:") ? "0120" : "024");
        if (!lenient_rows[_i].want) {
                ck_assert_int_eq(r, -EINVAL);
                ck_assert_uint_eq(got.family, 99);
                ck_assert_int_eq(ipnet_parse_lenient(with_prefix, &got_net), -EINVAL);
                ck_assert_uint_eq(got_net.prefix, 77);
                return;
        }
        ck_assert_int_eq(r, 0);
        ck_assert_str_eq(ip_format(&got, text), lenient_rows[_i].want);
        ck_assert_int_eq(ipnet_parse_lenient(with_prefix, &got_net), 0);
        ck_assert_uint_eq(got_net.prefix, 24);
        ck_assert(ip_equal(&got_net.ip, &got));
}
END_TEST

static const char *const bad_lenient_nets[] = {
        "",          "/",          "00192.0.0.1",   "00192.0.0.1/",   "00192.0.0.1/33",
        "/24",       "fd00::/129", "00192.0.0.1/x", "00192.0.0.1/-1", "00192.0.0.1/24/24",
        "0/0",       "fd00::/",    "01.2.3.4/ 24",  "01.2.3.4 /24",   "::ffff:1.2.3.4/95",
        "1.2.3.4/a",
};

START_TEST(a_lenient_network_still_needs_a_prefix)
{
        struct ipnet got = { .prefix = 77 };

        ck_assert_int_eq(ipnet_parse_lenient(bad_lenient_nets[_i], &got), -EINVAL);
        ck_assert_uint_eq(got.prefix, 77);
}
END_TEST

/* What the strict parser takes is the same for the lenient one. */
START_TEST(strict_texts_mean_the_same_to_the_lenient_parser)
{
        struct ip strict, lenient;

        if (ip_parse(ip_rows[_i].text, &strict) < 0)
                return;
        ck_assert_int_eq(ip_parse_lenient(ip_rows[_i].text, &lenient), 0);
        ck_assert(ip_equal(&strict, &lenient));
}
END_TEST

START_TEST(the_longest_texts_fit)
{
        char text[IPNET_TEXT_MAX];
        struct ipnet wide = net("1111:2222:3333:4444:5555:6666:7777:8888/128");

        ck_assert_uint_eq(strlen(ipnet_format(&wide, text)), IPNET_TEXT_MAX - 1);
        ck_assert_uint_eq(strlen(ip_format(&wide.ip, text)), IP_TEXT_MAX - 1);
}
END_TEST

/* cidr_test NextIP and PrevIP. */
static const struct {
        const char *ip, *next;
} next_rows[] = {
        { "192.168.0.1", "192.168.0.2" },
        { "192.168.0.255", "192.168.1.0" },
        { "0.1.0.5", "0.1.0.6" },
        { "10.255.255.255", "11.0.0.0" },
        { "255.255.255.255", "0.0.0.0" }, /* wraps inside its family */
        { "ab12::123", "ab12::124" },
        { "ab12::ffff", "ab12::1:0" },
        { "::123", "::124" },
        { "::ff:ffff", "::100:0" }, /* upstream's family flip is not copied */
        { "::ffff:ffff", "::1:0:0" },
        { "::fffe:ffff:ffff", "0.0.0.0" }, /* see below */
        { "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::" },
};

START_TEST(neighbours_lie_side_by_side)
{
        struct ip a = ip(next_rows[_i].ip), b = ip(next_rows[_i].next), c;

        /* The neighbour of a value just below the mapped ones is a value, not a text. */
        if (strcmp(next_rows[_i].ip, "::fffe:ffff:ffff") == 0)
                b = (struct ip){ .family = IP_V6, .bytes = { [10] = 0xff, [11] = 0xff } };
        c = ip_next(a);
        ck_assert(ip_equal(&c, &b));
        c = ip_previous(b);
        ck_assert(ip_equal(&c, &a));
}
END_TEST

/* cidr_test Cmp. */
static const struct {
        const char *a, *b;
        int order;
} order_rows[] = {
        { "192.168.0.1", "192.168.0.1", 0 },
        { "192.168.0.1", "::ffff:192.168.0.1", 0 },
        { "192.168.0.0", "192.168.0.1", -1 },
        { "192.168.0.9", "192.168.0.10", -1 },
        { "10.0.0.0", "9.255.255.255", 1 },
        { "::123", "::123", 0 },
        { "::123", "::124", -1 },
        { "::2:0", "::1:ffff", 1 },
        { "255.255.255.255", "::", -1 }, /* IPv4 comes first */
        { "::", "0.0.0.0", 1 },
};

START_TEST(addresses_have_an_order)
{
        struct ip a = ip(order_rows[_i].a), b = ip(order_rows[_i].b);
        int order = ip_compare(&a, &b);

        ck_assert_int_eq((order > 0) - (order < 0), order_rows[_i].order);
        order = ip_compare_items(&b, &a);
        ck_assert_int_eq((order > 0) - (order < 0), -order_rows[_i].order);
        ck_assert_int_eq(ip_equal(&a, &b), order_rows[_i].order == 0);
}
END_TEST

/* cidr_test Network. */
static const struct {
        const char *net, *first, *last;
} edge_rows[] = {
        { "192.168.0.5/24", "192.168.0.0", "192.168.0.255" },
        { "192.168.127.0/23", "192.168.126.0", "192.168.127.255" },
        { "10.0.0.1/0", "0.0.0.0", "255.255.255.255" },
        { "10.0.0.1/32", "10.0.0.1", "10.0.0.1" },
        { "10.0.0.1/31", "10.0.0.0", "10.0.0.1" },
        { "10.129.0.1/9", "10.128.0.0", "10.255.255.255" },
        { "2001:db8:24:19ff::/63", "2001:db8:24:19fe::", "2001:db8:24:19ff:ffff:ffff:ffff:ffff" },
        { "2001:db8::1/128", "2001:db8::1", "2001:db8::1" },
        { "::1/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
};

START_TEST(a_network_has_a_first_and_a_last_address)
{
        struct ipnet n = net(edge_rows[_i].net);
        struct ip first = ip(edge_rows[_i].first), last = ip(edge_rows[_i].last), edge;

        edge = ipnet_first(&n);
        ck_assert(ip_equal(&edge, &first));
        edge = ipnet_last(&n);
        ck_assert(ip_equal(&edge, &last));
        ck_assert(ipnet_contains(&n, &first));
        ck_assert(ipnet_contains(&n, &last));
        edge = ip_previous(first);
        ck_assert(n.prefix == 0 || !ipnet_contains(&n, &edge));
        edge = ip_next(last);
        ck_assert(n.prefix == 0 || !ipnet_contains(&n, &edge));
}
END_TEST

START_TEST(a_network_does_not_contain_the_other_family)
{
        struct ipnet v4 = net("0.0.0.0/0"), v6 = net("::/0");
        struct ip a = ip("1.2.3.4"), b = ip("::1"), unset = { 0 };

        ck_assert(!ipnet_contains(&v4, &b));
        ck_assert(!ipnet_contains(&v6, &a));
        ck_assert(!ipnet_contains(&v4, &unset));
}
END_TEST

START_TEST(a_family_has_its_bits)
{
        struct ip a = ip("1.2.3.4"), b = ip("::1");

        ck_assert_uint_eq(ip_bits(&a), 32);
        ck_assert_uint_eq(ip_bits(&b), 128);
}
END_TEST

static const struct {
        const char *first, *last;
        uint64_t distance;
} distance_rows[] = {
        { "10.0.0.1", "10.0.0.1", 0 },
        { "10.0.0.1", "10.0.1.0", 255 },
        { "0.0.0.0", "255.255.255.255", UINT32_MAX },
        { "10.0.0.2", "10.0.0.1", 0 },
        { "10.0.0.2", "::1", 0 },
        { "::1", "10.0.0.2", 0 },
        { "::", "::ffff:ffff:ffff:ffff", UINT64_MAX },
        { "::1", "::ffff:ffff:ffff:ffff", UINT64_MAX - 1 },
        { "::", "::1:0:0:0:0", UINT64_MAX },
        { "::ffff:ffff:ffff:ffff", "0:0:0:1::1", 2 },
        { "2001:db8::", "2001:db9::", UINT64_MAX },
        { "::2", "::1", 0 },
};

START_TEST(a_distance_saturates)
{
        struct ip first = ip(distance_rows[_i].first), last = ip(distance_rows[_i].last);

        ck_assert_uint_eq(ip_distance(&first, &last), distance_rows[_i].distance);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, addresses_are_read_and_written_as_go_does, ip_rows);
        tcase_add_test(tests, an_unset_address_is_written_as_nil);
        tcase_add_loop_test(tests, every_byte_of_ipv4_is_written_in_decimal, 0, 256);
        tcase_add_loop_test(tests, ipv6_texts_agree_with_the_c_library, 0, 3);
        unit_add_table(tests, networks_are_read_and_written_as_go_does, net_rows);
        unit_add_table(tests, a_lenient_parser_takes_leading_zeros, lenient_rows);
        unit_add_table(tests, a_lenient_network_still_needs_a_prefix, bad_lenient_nets);
        unit_add_table(tests, strict_texts_mean_the_same_to_the_lenient_parser, ip_rows);
        tcase_add_test(tests, the_longest_texts_fit);
        unit_add_table(tests, neighbours_lie_side_by_side, next_rows);
        unit_add_table(tests, addresses_have_an_order, order_rows);
        unit_add_table(tests, a_network_has_a_first_and_a_last_address, edge_rows);
        tcase_add_test(tests, a_network_does_not_contain_the_other_family);
        tcase_add_test(tests, a_family_has_its_bits);
        unit_add_table(tests, a_distance_saturates, distance_rows);
}

UNIT_MAIN("ip", add_tests)

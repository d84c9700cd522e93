/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is made of an ACK, and what ADD answers. Numbers in comments are sections of the
 * specification of the reference plugin's behaviour.
 */
#include "grant.h"

#include "dhcp.h"
#include "json-text.h"

#define FROM_MS 5000

/* Options as hex, for the tables. */
#define MASK16     "0104ffff0000"
#define MASK24     "0104ffffff00"
#define SERVER     "36040a4d0002" /* 10.77.0.2 */
#define ROUTER     "03040a4d0001" /* 10.77.0.1 */
#define MASK_PLAIN MASK16 SERVER

static uint8_t byte_of(const char *hex)
{
        static const char digits[] = "0123456789abcdef";
        const char *high = strchr(digits, hex[0]), *low = strchr(digits, hex[1]);

        ck_assert_msg(*hex && high && low, "%s", hex);
        return (uint8_t)((high - digits) << 4 | (low - digits));
}

/* An ACK with these options. */
static struct msg *ack(const char *yiaddr, const char *options)
{
        static struct msg msg;
        uint8_t value[255];

        dhcp_reply(&msg, MSG_ACK, 1, yiaddr);
        while (*options) {
                uint8_t code = byte_of(options), len = byte_of(options + 2);

                options += 4;
                for (uint8_t i = 0; i < len; i++, options += 2)
                        value[i] = byte_of(options);
                dhcp_option(&msg, code, value, len);
        }
        return &msg;
}

static struct grant read_grant(const char *yiaddr, const char *options)
{
        struct grant grant = { 0 };
        struct err err;

        unit_assert_ok(grant_read(ack(yiaddr, options), FROM_MS, &grant, &err), &err);
        return grant;
}

/* As JSON without its braces around; owned by the buffer. */
static const char *put(const struct grant *grant, struct buf *buf)
{
        struct json_writer w;

        start_text(buf, &w);
        grant_put(grant, NULL, &w);
        return buf_text(buf);
}

/* ---- reading ---- */

#define HEAD(address, more)       \
        "{\"address\":\"" address \
        "\",\"server\":\"10.77.0.2\",\"serverHardware\":\"020000000001\"," more "\"fromMs\":5000,"
#define HOUR         "\"leaseS\":3600,\"t1S\":1800,\"t2S\":3150,"
#define DEFAULT(gw)  "{\"dst\":\"0.0.0.0/0\",\"gw\":\"" gw "\"}"
#define ROUTES(list) ",\"routes\":[" list "]}"

static const struct {
        const char *yiaddr, *options, *want;
} read_rows[] = {
        /* a host is no gateway to itself: 3, 33, 121 */
        { "10.77.0.1", MASK16 SERVER ROUTER, HEAD("10.77.0.1/16", "") HOUR "\"mtu\":0}" },
        { "10.77.0.5", MASK16 SERVER ROUTER "21080a0000000a4d0005",
          HEAD("10.77.0.5/16", "\"router\":\"10.77.0.1\",") HOUR
          "\"mtu\":0" ROUTES(DEFAULT("10.77.0.1")) },
        { "10.77.0.9", MASK16 SERVER ROUTER "790818c0a8320a4d0009",
          HEAD("10.77.0.9/16", "\"router\":\"10.77.0.1\",") HOUR "\"mtu\":0}" },
        /* no router and no routes */
        { "10.77.1.149", MASK16 SERVER, HEAD("10.77.1.149/16", "") HOUR "\"mtu\":0}" },
        /* the plain one; several routers: the first */
        { "10.77.1.149", MASK16 SERVER ROUTER "330400000e10",
          HEAD("10.77.1.149/16", "\"router\":\"10.77.0.1\",") HOUR
          "\"mtu\":0" ROUTES(DEFAULT("10.77.0.1")) },
        { "10.77.1.149", MASK16 SERVER "03080a4d00010a4d0003",
          HEAD("10.77.1.149/16", "\"router\":\"10.77.0.1\",") HOUR
          "\"mtu\":0" ROUTES(DEFAULT("10.77.0.1")) },
        /* routers of a length that is no multiple of 4: absent */
        { "10.77.1.149", MASK16 SERVER "03050a4d000100",
          HEAD("10.77.1.149/16", "") HOUR "\"mtu\":0}" },
        /* 33: 10.0.0.0 via 10.77.0.5, then the default */
        { "10.77.1.149", MASK16 SERVER ROUTER "21080a0000000a4d0005",
          HEAD("10.77.1.149/16", "\"router\":\"10.77.0.1\",") HOUR "\"mtu\":0" ROUTES(
                  "{\"dst\":\"10.0.0.0/8\",\"gw\":\"10.77.0.5\"}," DEFAULT("10.77.0.1")) },
        /* 33 without a router */
        { "10.77.1.149", MASK16 SERVER "21080a0000000a4d0005",
          HEAD("10.77.1.149/16", "") HOUR
          "\"mtu\":0" ROUTES("{\"dst\":\"10.0.0.0/8\",\"gw\":\"10.77.0.5\"}") },
        /* 121 alone counts, whatever 33 and 3 say; the router stays the gateway */
        { "10.77.1.202",
          MASK16 SERVER ROUTER "21080a0000000a4d0005"
                               "790818c0a8320a4d0009",
          HEAD("10.77.1.202/16", "\"router\":\"10.77.0.1\",") HOUR
          "\"mtu\":0" ROUTES("{\"dst\":\"192.168.50.0/24\",\"gw\":\"10.77.0.9\"}") },
        /* 121 with nothing in it, or malformed, is absent */
        { "10.77.1.202", MASK16 SERVER ROUTER "790721c0a8320a4d00",
          HEAD("10.77.1.202/16", "\"router\":\"10.77.0.1\",") HOUR
          "\"mtu\":0" ROUTES(DEFAULT("10.77.0.1")) },
        { "10.77.1.202", MASK16 SERVER ROUTER "7900",
          HEAD("10.77.1.202/16", "\"router\":\"10.77.0.1\",") HOUR
          "\"mtu\":0" ROUTES(DEFAULT("10.77.0.1")) },
        /* broadcast address, MTU; an MTU that IP does not allow */
        { "10.77.1.149",
          MASK16 SERVER "1c040a4dffff"
                        "1a0205dc",
          HEAD("10.77.1.149/16", "\"broadcast\":\"10.77.255.255\",") HOUR "\"mtu\":1500}" },
        { "10.77.1.149", MASK16 SERVER "1a020044", HEAD("10.77.1.149/16", "") HOUR "\"mtu\":68}" },
        { "10.77.1.149", MASK16 SERVER "1a020043", HEAD("10.77.1.149/16", "") HOUR "\"mtu\":0}" },
        /* names: 6, 15, 119 (example.com) */
        { "10.77.1.149",
          MASK16 SERVER "06080a4d000208080808"
                        "0f056c6f63616c"
                        "770d076578616d706c6503636f6d00",
          HEAD("10.77.1.149/16", "") HOUR
          "\"mtu\":0,\"dns\":{\"domain\":\"local\",\"nameservers\":[\"10.77.0.2\",\"8.8.8.8\"],"
          "\"search\":[\"example.com\"]}}" },
        /* times without sense: forever; see time_rows for the rest */
        { "10.77.1.149",
          MASK16 SERVER "3304ffffffff"
                        "3a0400000708",
          HEAD("10.77.1.149/16",
               "") "\"leaseS\":4294967295,\"t1S\":4294967295,\"t2S\":4294967295,\"mtu\":0}" },
        /* RFC 3021: with 31 and 32 bits every address is a host's */
        { "10.77.1.0", "0104fffffffe" SERVER, HEAD("10.77.1.0/31", "") HOUR "\"mtu\":0}" },
        { "10.77.1.1", "0104fffffffe" SERVER, HEAD("10.77.1.1/31", "") HOUR "\"mtu\":0}" },
        { "10.77.1.0", "0104ffffffff" SERVER, HEAD("10.77.1.0/32", "") HOUR "\"mtu\":0}" },
        { "223.255.255.254", MASK24 SERVER, HEAD("223.255.255.254/24", "") HOUR "\"mtu\":0}" },
};

START_TEST(an_ack_becomes_a_grant)
{
        struct grant grant = read_grant(read_rows[_i].yiaddr, read_rows[_i].options);
        struct buf buf;

        ck_assert(grant_is(&grant));
        ck_assert_str_eq(put(&grant, &buf), read_rows[_i].want);
        buf_done(&buf);
        grant_done(&grant);
        ck_assert(!grant_is(&grant));
}
END_TEST

static const struct {
        const char *yiaddr, *options;
        int outcome;
} unusable_rows[] = {
        { "10.77.1.149", SERVER, GRANT_NO_MASK },
        { "10.77.1.149", "0103ffff00" SERVER, GRANT_NO_MASK },
        { "10.77.1.149", "0105ffff000000" SERVER, GRANT_NO_MASK },
        { "10.77.1.149", "0104ff00ff00" SERVER, GRANT_BAD },
        { "10.77.1.149", "010400ffffff" SERVER, GRANT_BAD },
        { "10.77.1.149", MASK16, GRANT_BAD },
        { "10.77.1.149", MASK16 "3603010203", GRANT_BAD },
        { "10.77.1.149", MASK16 "360400000000", GRANT_BAD },
        { "10.77.1.149", MASK16 "3604ffffffff", GRANT_BAD },
        { "10.77.1.149", MASK16 "36047f000001", GRANT_BAD },
        { "0.0.0.0", MASK_PLAIN, GRANT_BAD },
        { "0.1.2.3", MASK_PLAIN, GRANT_BAD },
        { "127.0.0.1", MASK_PLAIN, GRANT_BAD },
        { "224.0.0.1", MASK_PLAIN, GRANT_BAD },
        { "239.1.2.3", MASK_PLAIN, GRANT_BAD },
        { "240.1.2.3", MASK_PLAIN, GRANT_BAD },
        { "255.255.255.255", MASK_PLAIN, GRANT_BAD },
        /* the subnet's own */
        { "10.77.0.0", MASK_PLAIN, GRANT_BAD },
        { "10.77.255.255", MASK_PLAIN, GRANT_BAD },
        { "10.77.1.4", "0104fffffffc" SERVER, GRANT_BAD },
        { "10.77.1.7", "0104fffffffc" SERVER, GRANT_BAD },
};

START_TEST(an_unusable_ack_is_an_outcome)
{
        struct grant grant = { .mtu = 77 };
        struct err err;

        ck_assert_int_eq(grant_read(ack(unusable_rows[_i].yiaddr, unusable_rows[_i].options), 0,
                                    &grant, &err),
                         unusable_rows[_i].outcome);
        ck_assert_uint_eq(grant.mtu, 77);
}
END_TEST

static const struct {
        const char *text;
        bool host;
} host_rows[] = {
        { "1.0.0.0", true },          { "126.255.255.255", true }, { "128.0.0.1", true },
        { "169.254.1.1", true },      { "223.255.255.255", true }, { "0.0.0.0", false },
        { "0.255.255.255", false },   { "127.1.2.3", false },      { "224.0.0.0", false },
        { "255.255.255.255", false }, { "2001:db8::1", false },
};

START_TEST(some_addresses_are_no_host_s)
{
        struct ip address = ip(host_rows[_i].text), unset = { 0 };

        ck_assert(grant_is_host(&address) == host_rows[_i].host);
        ck_assert(!grant_is_host(&unset));
}
END_TEST

/* ---- times ---- */

#define NONE UINT32_MAX /* the option is not there */

static const struct {
        uint32_t lease_s, t1_s, t2_s;
        uint32_t want_lease_s, want_t1_s, want_t2_s;
} time_rows[] = {
        { NONE, NONE, NONE, 3600, 1800, 3150 },
        { 3600, NONE, NONE, 3600, 1800, 3150 },
        { 3600, 1000, 2000, 3600, 1000, 2000 },
        { 3600, 0, 0, 3600, 1800, 3150 },
        { 120, NONE, NONE, 120, 60, 105 },
        /* T2 not before the end */
        { 3600, 1000, 3600, 3600, 1000, 3150 },
        { 3600, 1000, 4000, 3600, 1000, 3150 },
        { 3600, 1000, 3599, 3600, 1000, 3599 },
        /* T1 not before T2: half of the lease, or 4/7 of T2 where that is less */
        { 3600, 2000, 2000, 3600, 1800, 2000 },
        { 3600, 3200, NONE, 3600, 1800, 3150 },
        { 3600, 3599, 3500, 3600, 1800, 3500 },
        { 3600, 0, 700, 3600, 400, 700 },
        { 6, NONE, NONE, 6, 3, 5 },
        /* the floor: 10 s, or a third of a short lease */
        { 3600, 1, NONE, 3600, 10, 3150 },
        { 3600, 1, 5, 3600, 10, 3150 },
        { 3600, 1, 10, 3600, 10, 3150 },
        { 3600, 1, 11, 3600, 10, 11 },
        { 3600, NONE, 12, 3600, 10, 12 },
        { 20, 1, NONE, 20, 6, 17 },
        { 10, 0, 0, 10, 5, 8 },
        { 10, NONE, 2, 10, 5, 8 },
        { 10, 1, 4, 10, 3, 4 },
        { 3, NONE, NONE, 3, 1, 2 },
        { 4, NONE, NONE, 4, 2, 3 },
        /* no seconds between */
        { 2, 1, 1, 2, 0, 0 },
        { 1, NONE, NONE, 1, 0, 0 },
        { 0, 100, 200, 1, 0, 0 },
        /* large, up to the last that ends */
        { UINT32_MAX - 1, NONE, NONE, UINT32_MAX - 1, 2147483647, 3758096382 },
        { UINT32_MAX - 1, UINT32_MAX, UINT32_MAX, UINT32_MAX - 1, 2147483647, 3758096382 },
};

static struct grant read_times(uint32_t lease_s, uint32_t t1_s, uint32_t t2_s)
{
        struct msg *msg = ack("10.77.1.149", MASK_PLAIN);
        struct grant grant = { 0 };
        struct err err;

        if (lease_s != NONE)
                dhcp_option_u32(msg, OPT_LEASE_TIME, lease_s);
        if (t1_s != NONE)
                dhcp_option_u32(msg, OPT_T1, t1_s);
        if (t2_s != NONE)
                dhcp_option_u32(msg, OPT_T2, t2_s);
        unit_assert_ok(grant_read(msg, FROM_MS, &grant, &err), &err);
        return grant;
}

START_TEST(times_are_made_sane)
{
        struct grant grant =
                read_times(time_rows[_i].lease_s, time_rows[_i].t1_s, time_rows[_i].t2_s);

        ck_assert_uint_eq(grant.lease_s, time_rows[_i].want_lease_s);
        ck_assert_uint_eq(grant.t1_s, time_rows[_i].want_t1_s);
        ck_assert_uint_eq(grant.t2_s, time_rows[_i].want_t2_s);
        grant_done(&grant);
}
END_TEST

/* Whatever a server says: 0 < T1 < T2 < end, a pause of 10 s or a third, and what was made is taken
 * for sane when it is read again. */
START_TEST(no_times_break_the_order)
{
        static const uint32_t some[] = { 0,
                                         1,
                                         2,
                                         3,
                                         4,
                                         5,
                                         6,
                                         7,
                                         9,
                                         10,
                                         11,
                                         12,
                                         13,
                                         20,
                                         29,
                                         30,
                                         31,
                                         32,
                                         33,
                                         59,
                                         60,
                                         61,
                                         90,
                                         119,
                                         120,
                                         599,
                                         3599,
                                         3600,
                                         UINT32_MAX - 1 };

        for (size_t i = 0; i < ARRAY_SIZE(some); i++)
                for (size_t j = 0; j < ARRAY_SIZE(some); j++)
                        for (size_t k = 0; k < ARRAY_SIZE(some); k++) {
                                struct grant grant = read_times(some[i], some[j], some[k]), again;
                                int64_t t1_ms = grant_t1_ms(&grant) - FROM_MS;
                                int64_t t2_ms = grant_t2_ms(&grant) - FROM_MS;
                                int64_t end_ms = grant_end_ms(&grant) - FROM_MS;
                                int64_t floor_ms = end_ms / 3000 * 1000;
                                struct buf buf;
                                struct err err;

                                ck_assert_int_lt(0, t1_ms);
                                ck_assert_int_lt(t1_ms, t2_ms);
                                ck_assert_int_lt(t2_ms, end_ms);
                                ck_assert_int_ge(t1_ms, floor_ms < 10000 ? floor_ms : 10000);
                                again = (struct grant){ 0 };
                                unit_assert_ok(
                                        decode_text(put(&grant, &buf), grant_decode, &again, &err),
                                        &err);
                                buf_done(&buf);
                                grant_done(&grant);
                                grant_done(&again);
                        }
}
END_TEST

START_TEST(times_count_from_the_request)
{
        struct grant grant = read_times(3600, NONE, NONE);

        ck_assert_int_eq(grant_t1_ms(&grant), FROM_MS + 1800 * 1000);
        ck_assert_int_eq(grant_t2_ms(&grant), FROM_MS + 3150 * 1000);
        ck_assert_int_eq(grant_end_ms(&grant), FROM_MS + 3600 * 1000);
        grant = read_times(1, NONE, NONE);
        ck_assert_int_eq(grant_t1_ms(&grant), FROM_MS + 333);
        ck_assert_int_eq(grant_t2_ms(&grant), FROM_MS + 666);
        ck_assert_int_eq(grant_end_ms(&grant), FROM_MS + 1000);
        grant = read_times(UINT32_MAX - 1, NONE, NONE);
        ck_assert_int_eq(grant_end_ms(&grant), FROM_MS + INT64_C(4294967294000));
}
END_TEST

START_TEST(a_lease_without_end_has_no_times)
{
        struct msg *msg = ack("10.77.1.149", MASK_PLAIN "3304ffffffff"
                                                        "3a0400000001"
                                                        "3b0400000002");
        struct grant grant;
        struct err err;

        unit_assert_ok(grant_read(msg, FROM_MS, &grant, &err), &err);
        ck_assert_int_eq(grant_t1_ms(&grant), INT64_MAX);
        ck_assert_int_eq(grant_t2_ms(&grant), INT64_MAX);
        ck_assert_int_eq(grant_end_ms(&grant), INT64_MAX);
        grant_done(&grant);
}
END_TEST

/* ---- results ---- */

#define I4  "    "
#define I8  I4 I4
#define I12 I8 I4
#define I16 I12 I4

#define PLAIN_1(version)                                                                    \
        "{\n" I4 "\"cniVersion\": \"" version "\",\n" I4 "\"ips\": [\n" I8 "{\n" I12        \
        "\"address\": \"10.77.1.149/16\",\n" I12 "\"gateway\": \"10.77.0.1\"\n" I8 "}\n" I4 \
        "],\n" I4 "\"routes\": [\n" I8 "{\n" I12 "\"dst\": \"0.0.0.0/0\",\n" I12            \
        "\"gw\": \"10.77.0.1\"\n" I8 "}\n" I4 "]\n}"
#define PLAIN_03(version)                                                                   \
        "{\n" I4 "\"cniVersion\": \"" version "\",\n" I4 "\"ips\": [\n" I8 "{\n" I12        \
        "\"version\": \"4\",\n" I12 "\"address\": \"10.77.1.149/16\",\n" I12                \
        "\"gateway\": \"10.77.0.1\"\n" I8 "}\n" I4 "],\n" I4 "\"routes\": [\n" I8 "{\n" I12 \
        "\"dst\": \"0.0.0.0/0\",\n" I12 "\"gw\": \"10.77.0.1\"\n" I8 "}\n" I4 "],\n" I4     \
        "\"dns\": {}\n}"
#define PLAIN_02(version)                                                     \
        "{\n" I4 "\"cniVersion\": \"" version "\",\n" I4 "\"ip4\": {\n" I8    \
        "\"ip\": \"10.77.1.149/16\",\n" I8 "\"gateway\": \"10.77.0.1\",\n" I8 \
        "\"routes\": [\n" I12 "{\n" I16 "\"dst\": \"0.0.0.0/0\",\n" I16       \
        "\"gw\": \"10.77.0.1\"\n" I12 "}\n" I8 "]\n" I4 "},\n" I4 "\"dns\": {}\n}"

#define PLAIN MASK16 SERVER ROUTER
/* 192.168.50.0/24 via 10.77.0.9, 10.50.0.1/32 on the link, the default via 10.77.0.1 */
#define ROUTED PLAIN "791618c0a8320a4d0009200a32000100000000000a4d0001"
#define NAMED                  \
        PLAIN "06040a4d0002"   \
              "0f056c6f63616c" \
              "770d076578616d706c6503636f6d00"

static const struct {
        const char *yiaddr, *options, *version;
        struct profile profile;
        const char *want;
} result_rows[] = {
        { "10.77.1.149", PLAIN, "1.1.0", { .dns = false }, PLAIN_1("1.1.0") },
        { "10.77.1.149", PLAIN, "1.0.0", { .dns = false }, PLAIN_1("1.0.0") },
        { "10.77.1.149", PLAIN, "0.4.0", { .dns = false }, PLAIN_03("0.4.0") },
        { "10.77.1.149", PLAIN, "0.3.1", { .dns = false }, PLAIN_03("0.3.1") },
        { "10.77.1.149", PLAIN, "0.3.0", { .dns = false }, PLAIN_03("0.3.0") },
        { "10.77.1.149", PLAIN, "0.2.0", { .dns = false }, PLAIN_02("0.2.0") },
        { "10.77.1.149", PLAIN, "0.1.0", { .dns = false }, PLAIN_02("0.1.0") },
        /* names are told on request alone */
        { "10.77.1.149", NAMED, "1.1.0", { .dns = false }, PLAIN_1("1.1.0") },
        { "10.77.1.149",
          NAMED,
          "1.1.0",
          { .dns = true },
          "{\n" I4 "\"cniVersion\": \"1.1.0\",\n" I4 "\"dns\": {\n" I8 "\"domain\": \"local\",\n" I8
          "\"nameservers\": [\n" I12 "\"10.77.0.2\"\n" I8 "],\n" I8 "\"search\": [\n" I12
          "\"example.com\"\n" I8 "]\n" I4 "},\n" I4 "\"ips\": [\n" I8 "{\n" I12
          "\"address\": \"10.77.1.149/16\",\n" I12 "\"gateway\": \"10.77.0.1\"\n" I8 "}\n" I4
          "],\n" I4 "\"routes\": [\n" I8 "{\n" I12 "\"dst\": \"0.0.0.0/0\",\n" I12
          "\"gw\": \"10.77.0.1\"\n" I8 "}\n" I4 "]\n}" },
        /* 121 with a priority */
        { "10.77.1.202",
          ROUTED,
          "1.1.0",
          { .priority = 50 },
          "{\n" I4 "\"cniVersion\": \"1.1.0\",\n" I4 "\"ips\": [\n" I8 "{\n" I12
          "\"address\": \"10.77.1.202/16\",\n" I12 "\"gateway\": \"10.77.0.1\"\n" I8 "}\n" I4
          "],\n" I4 "\"routes\": [\n" I8 "{\n" I12 "\"dst\": \"192.168.50.0/24\",\n" I12
          "\"gw\": \"10.77.0.9\",\n" I12 "\"priority\": 50\n" I8 "},\n" I8 "{\n" I12
          "\"dst\": \"10.50.0.1/32\",\n" I12 "\"gw\": \"0.0.0.0\",\n" I12 "\"priority\": 50,\n" I12
          "\"scope\": 253\n" I8 "},\n" I8 "{\n" I12 "\"dst\": \"0.0.0.0/0\",\n" I12
          "\"gw\": \"10.77.0.1\",\n" I12 "\"priority\": 50\n" I8 "}\n" I4 "]\n}" },
        /* suppress: no gateway, no default route, whoever gave it */
        { "10.77.1.202",
          ROUTED,
          "1.1.0",
          { .suppress_gateway = true },
          "{\n" I4 "\"cniVersion\": \"1.1.0\",\n" I4 "\"ips\": [\n" I8 "{\n" I12
          "\"address\": \"10.77.1.202/16\"\n" I8 "}\n" I4 "],\n" I4 "\"routes\": [\n" I8 "{\n" I12
          "\"dst\": \"192.168.50.0/24\",\n" I12 "\"gw\": \"10.77.0.9\"\n" I8 "},\n" I8 "{\n" I12
          "\"dst\": \"10.50.0.1/32\",\n" I12 "\"gw\": \"0.0.0.0\",\n" I12 "\"scope\": 253\n" I8
          "}\n" I4 "]\n}" },
        { "10.77.1.149",
          PLAIN,
          "1.1.0",
          { .suppress_gateway = true },
          "{\n" I4 "\"cniVersion\": \"1.1.0\",\n" I4 "\"ips\": [\n" I8 "{\n" I12
          "\"address\": \"10.77.1.149/16\"\n" I8 "}\n" I4 "]\n}" },
        /* nothing but an address */
        { "10.77.1.149",
          MASK16 SERVER,
          "1.1.0",
          { .dns = true },
          "{\n" I4 "\"cniVersion\": \"1.1.0\",\n" I4 "\"ips\": [\n" I8 "{\n" I12
          "\"address\": \"10.77.1.149/16\"\n" I8 "}\n" I4 "]\n}" },
};

START_TEST(a_grant_becomes_a_result)
{
        struct grant grant = read_grant(result_rows[_i].yiaddr, result_rows[_i].options);
        struct ipam_result result;
        struct buf buf;
        struct err err;

        unit_assert_ok(grant_result(&grant, &result_rows[_i].profile, &result, &err), &err);
        grant_done(&grant); /* nothing of it is borrowed */
        buf_init(&buf, 4096);
        unit_assert_ok(result_encode(&result, result_rows[_i].version, &buf, &err), &err);
        ck_assert_str_eq(buf_text(&buf), result_rows[_i].want);
        buf_done(&buf);
        result_done(&result);
}
END_TEST

/* ---- JSON ---- */

START_TEST(what_was_read_is_written_and_read)
{
        struct grant grant = read_grant(read_rows[_i].yiaddr, read_rows[_i].options), again = { 0 };
        struct buf buf;
        struct err err;

        unit_assert_ok(decode_text(read_rows[_i].want, grant_decode, &again, &err), &err);
        ck_assert_str_eq(put(&again, &buf), read_rows[_i].want);
        ck_assert(ip_equal(&again.server, &grant.server));
        ck_assert_uint_eq(again.server_hardware.len, 6);
        ck_assert_mem_eq(again.server_hardware.bytes, dhcp_server_hardware.bytes, 6);
        ck_assert_int_eq(again.from_ms, FROM_MS);
        ck_assert_int_eq(grant_end_ms(&again), grant_end_ms(&grant));
        buf_done(&buf);
        grant_done(&grant);
        grant_done(&again);
}
END_TEST

START_TEST(no_grant_is_not_written)
{
        struct grant none = { 0 };
        struct json_writer w;
        struct buf buf;

        start_text(&buf, &w);
        json_begin(&w, NULL, '{');
        grant_put(&none, "grant", &w);
        json_end(&w, '}');
        ck_assert_str_eq(buf_text(&buf), "{}");
        buf_done(&buf);
}
END_TEST

#define GRANT(address, server, more)                                                   \
        "{\"address\":" address ",\"server\":" server ",\"leaseS\":3600,\"t1S\":1800," \
        "\"t2S\":3150" more "}"
#define GOOD(more) GRANT("\"10.77.1.149/16\"", "\"10.77.0.2\"", more)
#define BAD(thing) CNI_ERR_CONFIG, "a grant with invalid " thing

static const struct {
        const char *text;
        int code; /* 0: this one is good */
        const char *msg;
} refused_rows[] = {
        { GOOD(""), 0, NULL },
        { GOOD(",\"fromMs\":1,\"mtu\":68,\"broadcast\":\"\",\"router\":null"), 0, NULL },
        { "{}", CNI_ERR_CONFIG, "a grant with invalid address" },
        { GRANT("null", "\"10.77.0.2\"", ""), CNI_ERR_CONFIG, "invalid CIDR address: " },
        { GRANT("\"10.77.1.149\"", "\"10.77.0.2\"", ""), CNI_ERR_CONFIG,
          "invalid CIDR address: 10.77.1.149" },
        { GRANT("\"10.77.0.0/16\"", "\"10.77.0.2\"", ""), BAD("address") },
        { GRANT("\"10.77.255.255/16\"", "\"10.77.0.2\"", ""), BAD("address") },
        { GRANT("\"224.0.0.1/4\"", "\"10.77.0.2\"", ""), BAD("address") },
        { GRANT("\"2001:db8::1/64\"", "\"10.77.0.2\"", ""), BAD("address") },
        { GRANT("\"10.77.1.149/16\"", "null", ""), BAD("server") },
        { GRANT("\"10.77.1.149/16\"", "\"0.0.0.0\"", ""), BAD("server") },
        { GRANT("\"10.77.1.149/16\"", "\"::1\"", ""), BAD("server") },
        { GRANT("\"10.77.1.149/16\"", "\"x\"", ""), CNI_ERR_CONFIG, "invalid IP address: x" },
        { GOOD(",\"broadcast\":\"::1\""), BAD("broadcast") },
        { GOOD(",\"router\":\"::1\""), BAD("router") },
        { GOOD(",\"router\":\"10.77.1.149\""), BAD("router") },
        { GOOD(",\"mtu\":67"), BAD("mtu") },
        { GOOD(",\"mtu\":65536"), BAD("mtu") },
        { GOOD(",\"mtu\":-1"), CNI_ERR_CONFIG, "no number of 32 bits" },
        { GOOD(",\"routes\":[{}]"), BAD("routes") },
        { GOOD(",\"routes\":[{\"dst\":\"::/0\"}]"), BAD("routes") },
        { GOOD(",\"routes\":[{\"dst\":\"0.0.0.0/0\",\"gw\":\"::1\"}]"), BAD("routes") },
        { GOOD(",\"routes\":[{\"dst\":\"0.0.0.0/0\",\"gw\":\"10.77.1.149\"}]"), BAD("routes") },
        { GOOD(",\"fromMs\":-1"), BAD("times") },
        { GOOD(",\"fromMs\":9223372036854775807"), BAD("times") },
        { GOOD(",\"leaseS\":0"), BAD("times") },
        { GOOD(",\"leaseS\":4294967295"), BAD("times") },
        { GOOD(",\"leaseS\":4294967296"), CNI_ERR_CONFIG, "no number of 32 bits" },
        { GOOD(",\"t1S\":0"), BAD("times") },
        { GOOD(",\"t1S\":9"), BAD("times") },
        { GOOD(",\"t1S\":3150"), BAD("times") },
        { GOOD(",\"t2S\":3600"), BAD("times") },
        { GOOD(",\"serverHardware\":\"0\""), CNI_ERR_CONFIG, "bytes are pairs of hex digits" },
        { GOOD(",\"serverHardware\":\"0000000000000000000000000000000000000000000000000000000000"
               "00000000\""),
          CNI_ERR_CONFIG, "33 bytes, where 32 are the most" },
        { GOOD(",\"dns\":{\"nameservers\":[1]}"), CNI_ERR_DECODE,
          "dns.nameservers[0]: must be a string, not a number" },
};

START_TEST(what_cannot_be_a_grant_is_refused)
{
        struct grant grant = { 0 };
        struct err err;
        int r = decode_text(refused_rows[_i].text, grant_decode, &grant, &err);

        if (refused_rows[_i].code == 0)
                unit_assert_ok(r, &err);
        else
                unit_assert_err(r, &err, refused_rows[_i].code, refused_rows[_i].msg);
        grant_done(&grant);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, an_ack_becomes_a_grant, read_rows);
        unit_add_table(tests, an_unusable_ack_is_an_outcome, unusable_rows);
        unit_add_table(tests, some_addresses_are_no_host_s, host_rows);
        unit_add_table(tests, times_are_made_sane, time_rows);
        tcase_add_test(tests, no_times_break_the_order);
        tcase_add_test(tests, times_count_from_the_request);
        tcase_add_test(tests, a_lease_without_end_has_no_times);
        unit_add_table(tests, a_grant_becomes_a_result, result_rows);
        unit_add_table(tests, what_was_read_is_written_and_read, read_rows);
        tcase_add_test(tests, no_grant_is_not_written);
        unit_add_table(tests, what_cannot_be_a_grant_is_refused, refused_rows);
}

UNIT_MAIN("grant", add_tests)

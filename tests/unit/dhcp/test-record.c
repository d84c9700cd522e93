/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records: written, read, and everything that is none.
 */
#include "record.h"

#include "unit.h"

#define BOOT "11111111-2222-3333-4444-555555555555"

/* A record in pieces, so that a test can exchange one. */
#define VERSION "\"version\":1"
#define BOOT_ID "\"bootID\":\"" BOOT "\""
#define KEY     "\"containerID\":\"c1\",\"network\":\"net\",\"ifname\":\"eth0\""
#define PLACE                                                                                     \
        "\"netns\":\"/run/netns/x\",\"cookie\":4711,\"nsid\":5,\"ifindex\":2,\"hardwareType\":1," \
        "\"hardware\":\"020000000077\""
#define PROFILE                                                                                  \
        "\"profile\":{\"clientID\":\"0063\",\"parameters\":\"0301\",\"provided\":[{\"code\":12," \
        "\"value\":\"70\"}],\"onLeaseLoss\":\"keep\",\"acd\":\"fast\",\"broadcast\":true,"       \
        "\"strictNak\":false,\"kernelLifetime\":false,\"dns\":true,\"suppressGateway\":false,"   \
        "\"priority\":50}"
#define OFFER                                                            \
        "\"offer\":{\"address\":\"10.77.1.7\",\"server\":\"10.77.0.2\"," \
        "\"serverHardware\":\"020000000001\"}"
#define GRANT                                                                                      \
        "\"grant\":{\"address\":\"10.77.1.149/16\",\"server\":\"10.77.0.2\",\"serverHardware\":"   \
        "\"020000000001\",\"broadcast\":\"10.77.255.255\",\"router\":\"10.77.0.1\",\"fromMs\":12," \
        "\"leaseS\":3600,\"t1S\":1800,\"t2S\":3150,\"mtu\":1500,\"routes\":[{\"dst\":"             \
        "\"0.0.0.0/0\",\"gw\":\"10.77.0.1\"},{\"dst\":\"10.50.0.1/32\",\"gw\":\"0.0.0.0\","        \
        "\"scope\":253}],\"dns\":{\"domain\":\"local\",\"nameservers\":[\"10.77.0.2\"],"           \
        "\"search\":[\"a.example\",\"b.example\"]}}"
#define ROUTE                                                                                  \
        "{\"dst\":\"10.9.0.0/16\",\"gw\":\"10.77.0.1\",\"src\":\"10.77.1.149\",\"table\":254," \
        "\"metric\":100,\"mtu\":1400,\"advmss\":1360,\"scope\":253,\"protocol\":3,\"type\":1," \
        "\"tos\":8,\"hopFlags\":4}"
#define LOST "\"lost\":true,\"withdrawn\":true"
#define ROUTES                                                                           \
        "\"routes\":[" ROUTE ",{\"dst\":\"0.0.0.0/0\",\"gw\":\"fe80::1\",\"table\":254," \
        "\"metric\":0,\"mtu\":0,\"advmss\":0,\"scope\":0,\"protocol\":4,\"type\":1,"     \
        "\"tos\":0,\"hopFlags\":0}]"

#define FULL                                                                               \
        "{" VERSION "," BOOT_ID "," KEY "," PLACE "," PROFILE "," OFFER "," GRANT "," LOST \
        "," ROUTES "}\n"

#define EMPTY_PROFILE                                                                         \
        "\"profile\":{\"clientID\":\"\",\"parameters\":\"\",\"provided\":[],\"onLeaseLoss\":" \
        "\"deconfigure\",\"acd\":\"off\",\"strictNak\":false,"                                \
        "\"kernelLifetime\":false,\"dns\":false,\"suppressGateway\":false,\"priority\":0}"

static int decode(const char *text, struct record *ret, struct err *err)
{
        return record_decode(text, strlen(text), BOOT, ret, err);
}

/* ---- round trips ---- */

static const struct {
        const char *text, *written; /* NULL: the same */
} rows[] = {
        { FULL, NULL },
        /* before anything was granted; a kernel without cookies, a namespace without number */
        { "{" VERSION "," BOOT_ID "," KEY ",\"netns\":\"\",\"cookie\":0,\"nsid\":-1,\"ifindex\":"
          "2147483647,\"hardwareType\":65535,\"hardware\":\"\"," EMPTY_PROFILE
          ",\"lost\":false,\"withdrawn\":false,\"routes\":[]}\n",
          NULL },
        /* a cookie of 64 bits */
        { "{" VERSION "," BOOT_ID "," KEY
          ",\"netns\":\"/x\",\"cookie\":-2,\"nsid\":0,\"ifindex\":1,"
          "\"hardwareType\":0,\"hardware\":\"00\"," EMPTY_PROFILE
          ",\"lost\":false,\"withdrawn\":false,\"routes\":[]}\n",
          NULL },
        /* what is absent or unknown */
        { "{\"more\":{}," ROUTES "," KEY ",\"netns\":\"/x\",\"ifindex\":1,\"grant\":null," BOOT_ID
          "," VERSION "}",
          "{" VERSION "," BOOT_ID "," KEY
          ",\"netns\":\"/x\",\"cookie\":0,\"nsid\":-1,\"ifindex\":1,"
          "\"hardwareType\":0,\"hardware\":\"\"," EMPTY_PROFILE
          ",\"lost\":false,\"withdrawn\":false," ROUTES "}\n" },
};

START_TEST(what_is_read_is_written)
{
        const char *want = rows[_i].written ? rows[_i].written : rows[_i].text;
        struct record record;
        struct buf buf;
        struct err err;

        unit_assert_ok(decode(rows[_i].text, &record, &err), &err);
        buf_init(&buf, 65536);
        unit_assert_ok(record_encode(&record, BOOT, &buf, &err), &err);
        ck_assert_str_eq(buf_text(&buf), want);
        buf_done(&buf);
        record_done(&record);
        ck_assert_ptr_null(record.netns);
}
END_TEST

START_TEST(values_get_to_their_members)
{
        struct record record;
        struct err err;

        unit_assert_ok(decode(FULL, &record, &err), &err);
        ck_assert_str_eq(record.key.container_id, "c1");
        ck_assert_str_eq(record.key.network, "net");
        ck_assert_str_eq(record.key.ifname, "eth0");
        ck_assert_str_eq(record.netns, "/run/netns/x");
        ck_assert_uint_eq(record.cookie, 4711);
        ck_assert_int_eq(record.nsid, 5);
        ck_assert_int_eq(record.ifindex, 2);
        ck_assert_uint_eq(record.hardware_type, 1);
        ck_assert_uint_eq(record.hardware.len, 6);
        ck_assert_uint_eq(record.hardware.bytes[5], 0x77);
        ck_assert_int_eq(record.profile.loss, LOSS_KEEP);
        ck_assert_uint_eq(record.profile.provided_count, 1);
        ck_assert_uint_eq(record.offer.address.bytes[3], 7);
        ck_assert_uint_eq(record.offer.server.bytes[3], 2);
        ck_assert_uint_eq(record.offer.server_hardware.bytes[5], 1);
        ck_assert_uint_eq(record.grant.address.ip.bytes[3], 149);
        ck_assert_uint_eq(record.grant.address.prefix, 16);
        ck_assert_uint_eq(record.grant.routes.count, 2);
        ck_assert_int_eq(record.grant.routes.items[0].scope, ROUTE_UNSET);
        ck_assert_int_eq(record.grant.routes.items[1].scope, 253);
        ck_assert_uint_eq(record.grant.dns.search.count, 2);
        ck_assert(record.lost);
        ck_assert_uint_eq(record.routes.count, 2);
        ck_assert_uint_eq(record.routes.items[0].table, 254);
        ck_assert_uint_eq(record.routes.items[0].metric, 100);
        ck_assert_uint_eq(record.routes.items[0].mtu, 1400);
        ck_assert_uint_eq(record.routes.items[0].advmss, 1360);
        ck_assert_uint_eq(record.routes.items[0].scope, 253);
        ck_assert_uint_eq(record.routes.items[0].protocol, 3);
        ck_assert_uint_eq(record.routes.items[0].type, 1);
        ck_assert_uint_eq(record.routes.items[0].tos, 8);
        ck_assert_uint_eq(record.routes.items[0].hop_flags, 4);
        ck_assert_uint_eq(record.routes.items[0].src.bytes[3], 149);
        ck_assert_int_eq(record.routes.items[1].gw.family, IP_V6);
        record_done(&record);
}
END_TEST

START_TEST(a_cookie_keeps_all_its_bits)
{
        struct record record;
        struct err err;

        unit_assert_ok(decode(rows[2].text, &record, &err), &err);
        ck_assert_uint_eq(record.cookie, UINT64_MAX - 1);
        record_done(&record);
}
END_TEST

/* ---- what is for others ---- */

static const struct {
        const char *text;
        int outcome;
} other_rows[] = {
        { "{\"version\":2}", RECORD_OTHER_VERSION },
        /* all else may mean something else there */
        { "{\"version\":2,\"bootID\":7,\"netns\":[]}", RECORD_OTHER_VERSION },
        { "{\"version\":9223372036854775807}", RECORD_OTHER_VERSION },
        { "{" VERSION ",\"bootID\":\"\"}", RECORD_OTHER_BOOT },
        { "{" VERSION ",\"bootID\":\"" BOOT "0\",\"netns\":[]}", RECORD_OTHER_BOOT },
        { "{" VERSION ",\"bootID\":\"other\"," KEY "," PLACE "}", RECORD_OTHER_BOOT },
};

START_TEST(others_records_are_outcomes)
{
        struct record record = { .ifindex = 77 };
        struct err err;

        ck_assert_int_eq(decode(other_rows[_i].text, &record, &err), other_rows[_i].outcome);
        ck_assert_int_eq(record.ifindex, 77);
}
END_TEST

/* ---- what is none ---- */

#define HEAD "{" VERSION "," BOOT_ID ","
#define WITH_KEY(id, network, ifname)                                                      \
        HEAD "\"containerID\":\"" id "\",\"network\":\"" network "\",\"ifname\":\"" ifname \
             "\"," PLACE "}"
#define WITH_PLACE(more) HEAD KEY ",\"netns\":\"/x\",\"ifindex\":1," more "}"

static const struct {
        const char *text;
        int code;
        const char *msg;
} bad_rows[] = {
        { "", CNI_ERR_DECODE, "unexpected end of JSON input" },
        { "{}", CNI_ERR_DECODE, "record: invalid version" },
        { "{\"version\":0}", CNI_ERR_DECODE, "record: invalid version" },
        { "{\"version\":-1}", CNI_ERR_DECODE, "record: invalid version" },
        { "{\"version\":\"1\"}", CNI_ERR_DECODE, "version: must be an integer, not a string" },
        { "{" VERSION "}", CNI_ERR_DECODE, "record: invalid bootID" },
        { "{" VERSION ",\"bootID\":null}", CNI_ERR_DECODE, "record: invalid bootID" },
        { "{" VERSION ",\"bootID\":1}", CNI_ERR_DECODE, "bootID: must be a string, not a number" },
        { HEAD PLACE "}", CNI_ERR_DECODE, "record: invalid containerID" },
        { WITH_KEY("", "net", "eth0"), CNI_ERR_DECODE, "record: invalid containerID" },
        { WITH_KEY("a/b", "net", "eth0"), CNI_ERR_DECODE, "record: invalid containerID" },
        { WITH_KEY("c1", "..", "eth0"), CNI_ERR_DECODE, "record: invalid network" },
        { WITH_KEY("c1", "net", ""), CNI_ERR_DECODE, "record: invalid ifname" },
        { WITH_KEY("c1", "net", "a/b"), CNI_ERR_DECODE, "record: invalid ifname" },
        { HEAD KEY ",\"ifindex\":1}", CNI_ERR_DECODE, "record: invalid netns" },
        { HEAD KEY ",\"ifindex\":1,\"netns\":\"run/x\"}", CNI_ERR_DECODE, "record: invalid netns" },
        { HEAD KEY ",\"netns\":\"/x\"}", CNI_ERR_DECODE, "record: invalid ifindex" },
        { HEAD KEY ",\"netns\":\"/x\",\"ifindex\":-1}", CNI_ERR_DECODE, "record: invalid ifindex" },
        { HEAD KEY ",\"netns\":\"/x\",\"ifindex\":2147483648}", CNI_ERR_CONFIG, "out of range" },
        { WITH_PLACE("\"nsid\":-2"), CNI_ERR_DECODE, "record: invalid nsid" },
        { WITH_PLACE("\"cookie\":9223372036854775808"), CNI_ERR_DECODE,
          "cookie: must be an integer of 64 bits, not 9223372036854775808" },
        { WITH_PLACE("\"hardwareType\":65536"), CNI_ERR_CONFIG, "out of range" },
        { WITH_PLACE("\"hardwareType\":-1"), CNI_ERR_CONFIG, "out of range" },
        { WITH_PLACE("\"hardware\":\"0\""), CNI_ERR_CONFIG, "bytes are pairs of hex digits" },
        { WITH_PLACE("\"profile\":{\"acd\":\"x\"}"), CNI_ERR_CONFIG, "unknown value \"x\"" },
        { WITH_PLACE("\"grant\":{}"), CNI_ERR_CONFIG, "a grant with invalid address" },
        { WITH_PLACE("\"offer\":{\"address\":\"10.0.0.1\"}"), CNI_ERR_DECODE,
          "record: invalid offer" },
        { WITH_PLACE("\"offer\":{\"address\":\"0.0.0.0\",\"server\":\"10.0.0.2\"}"), CNI_ERR_DECODE,
          "record: invalid offer" },
        { WITH_PLACE("\"offer\":{\"address\":\"::1\",\"server\":\"10.0.0.2\"}"), CNI_ERR_DECODE,
          "record: invalid offer" },
        { WITH_PLACE("\"lost\":1"), CNI_ERR_DECODE, "lost: must be true or false, not a number" },
        { WITH_PLACE("\"routes\":[{}]"), CNI_ERR_CONFIG, "no IPv4 route" },
        { WITH_PLACE("\"routes\":[{\"dst\":\"::/0\"}]"), CNI_ERR_CONFIG, "no IPv4 route" },
        { WITH_PLACE("\"routes\":[{\"dst\":\"0.0.0.0/0\",\"src\":\"::1\"}]"), CNI_ERR_CONFIG,
          "no IPv4 route" },
        { WITH_PLACE("\"routes\":[{\"dst\":\"0.0.0.0/0\",\"tos\":256}]"), CNI_ERR_CONFIG,
          "out of range" },
        { WITH_PLACE("\"routes\":[{\"dst\":\"0.0.0.0/0\",\"table\":4294967296}]"), CNI_ERR_CONFIG,
          "no number of 32 bits" },
        { WITH_PLACE("\"routes\":{}"), CNI_ERR_DECODE, "routes: must be a list, not an object" },
        { "[]", CNI_ERR_DECODE, "the configuration: must be an object, not a list" },
        { FULL "x", CNI_ERR_DECODE, "invalid character 'x' after top-level value" },
};

START_TEST(what_makes_no_sense_is_refused)
{
        struct record record = { .ifindex = 77 };
        struct err err;

        unit_assert_err(decode(bad_rows[_i].text, &record, &err), &err, bad_rows[_i].code,
                        bad_rows[_i].msg);
        ck_assert_int_eq(record.ifindex, 77);
}
END_TEST

START_TEST(no_truncation_passes)
{
        /* the last character is the end of the line */
        for (size_t len = 0; len < strlen(FULL) - 1; len++) {
                struct record record;
                struct err err;
                int r = record_decode(FULL, len, BOOT, &record, &err);

                ck_assert_msg(r < 0, "%zu bytes: %d", len, r);
        }
}
END_TEST

/* Damage of any kind: whatever passes can be written and read again. */
START_TEST(a_damaged_byte_does_no_harm)
{
        static const char damage[] = { '\0', '"', '0', '9', '-', '{', ']', 'x', '/', '\xff' };
        char text[] = FULL;

        for (size_t i = 0; i < strlen(FULL); i++)
                for (size_t k = 0; k < sizeof(damage); k++) {
                        struct record record, again;
                        struct buf buf;
                        struct err err;
                        int r;

                        text[i] = damage[k];
                        r = record_decode(text, strlen(FULL), BOOT, &record, &err);
                        text[i] = FULL[i];
                        if (r != 0)
                                continue;
                        buf_init(&buf, 65536);
                        unit_assert_ok(record_encode(&record, BOOT, &buf, &err), &err);
                        unit_assert_ok(decode(buf_text(&buf), &again, &err), &err);
                        buf_done(&buf);
                        record_done(&record);
                        record_done(&again);
                }
}
END_TEST

/* ---- writing ---- */

static void spoil_netns(struct record *record)
{
        record->netns[0] = 'x';
}

static void spoil_ifindex(struct record *record)
{
        record->ifindex = 0;
}

static void spoil_ifname(struct record *record)
{
        record->key.ifname[0] = '/';
}

static void spoil_offer(struct record *record)
{
        record->offer.server = (struct ip){ 0 };
}

static const struct {
        void (*spoil)(struct record *record);
        const char *msg;
} spoilt_rows[] = {
        { spoil_netns, "record: invalid netns" },
        { spoil_ifindex, "record: invalid ifindex" },
        { spoil_ifname, "record: invalid ifname" },
        { spoil_offer, "record: invalid offer" },
};

START_TEST(what_could_not_be_read_is_not_written)
{
        struct record record;
        struct buf buf;
        struct err err;

        unit_assert_ok(decode(FULL, &record, &err), &err);
        spoilt_rows[_i].spoil(&record);
        buf_init(&buf, 65536);
        unit_assert_err(record_encode(&record, BOOT, &buf, &err), &err, CNI_ERR_DECODE,
                        spoilt_rows[_i].msg);
        ck_assert_uint_eq(buf.len, 0);
        buf_done(&buf);
        record_done(&record);
}
END_TEST

START_TEST(a_record_that_does_not_fit_is_an_error)
{
        struct record record;
        struct buf buf;
        struct err err;

        unit_assert_ok(decode(FULL, &record, &err), &err);
        buf_init(&buf, strlen(FULL) - 1);
        ck_assert_int_eq(record_encode(&record, BOOT, &buf, &err), -EFBIG);
        buf_done(&buf);
        record_done(&record);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, what_is_read_is_written, rows);
        tcase_add_test(tests, values_get_to_their_members);
        tcase_add_test(tests, a_cookie_keeps_all_its_bits);
        unit_add_table(tests, others_records_are_outcomes, other_rows);
        unit_add_table(tests, what_makes_no_sense_is_refused, bad_rows);
        tcase_add_test(tests, no_truncation_passes);
        tcase_add_test(tests, a_damaged_byte_does_no_harm);
        unit_add_table(tests, what_could_not_be_read_is_not_written, spoilt_rows);
        tcase_add_test(tests, a_record_that_does_not_fit_is_an_error);
}

UNIT_MAIN("record", add_tests)

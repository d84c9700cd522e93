/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of ours, byte for byte, and the headers around them.
 */
#include "msg.h"

#include <net/if_arp.h>

#include "sums.h"
#include "values.h"

#define FIXED_LEN 240 /* up to the options, with the cookie */

static const struct link_address hardware = { { 2, 0, 0, 0x10, 0x20, 0x77 }, 6 };

static const uint8_t client_id[] = "\0id/net/eth0", parameters[] = { 3, 1 };
static const struct msg_option provided[] = {
        { 12, 3, (const uint8_t *)"pod" },
        { 60, 2, (const uint8_t *)"vc" },
        { 224, 1, (const uint8_t *)"x" },
};

#define XID          0x12345678
#define TYPE(type)   "\x35\1" type
#define ID           "\x3d\x0c\0id/net/eth0"
#define ASKED        "\x32\4\x0a\0\0\2"
#define FROM         "\x36\4\x0a\0\0\1"
#define LIST         "\x37\2\3\1"
#define SIZE         "\x39\2\5\xdc"
#define END          "\xff"
#define ROW(literal) literal, sizeof(literal) - 1

/* One row per message that the client sends; addresses are 10.0.0.1 (server), 10.0.0.2 (ours). */
static const struct {
        const char *what;
        enum msg_type type;
        bool ciaddr, requested, server, question, provided, broadcast;
        const char *options;
        size_t options_len;
} build_rows[] = {
        { "DISCOVER", MSG_DISCOVER, false, false, false, true, false, false,
          ROW(TYPE("\1") ID LIST SIZE END) },
        { "DISCOVER with a wish", MSG_DISCOVER, false, true, false, true, false, true,
          ROW(TYPE("\1") ID ASKED LIST SIZE END) },
        { "DISCOVER, provided", MSG_DISCOVER, false, false, false, true, true, false,
          ROW(TYPE("\1") ID "\x0c\3pod" LIST SIZE "\x3c\2vc"
                            "\xe0\1x" END) },
        { "REQUEST in SELECTING", MSG_REQUEST, false, true, true, true, true, true,
          ROW(TYPE("\3") ID "\x0c\3pod" ASKED FROM LIST SIZE "\x3c\2vc"
                            "\xe0\1x" END) },
        { "REQUEST in INIT-REBOOT", MSG_REQUEST, false, true, false, true, false, false,
          ROW(TYPE("\3") ID ASKED LIST SIZE END) },
        { "REQUEST in RENEWING", MSG_REQUEST, true, false, false, true, false, false,
          ROW(TYPE("\3") ID LIST SIZE END) },
        { "DECLINE", MSG_DECLINE, false, true, true, false, false, false,
          ROW(TYPE("\4") ID ASKED FROM END) },
        { "RELEASE", MSG_RELEASE, true, false, true, false, false, false,
          ROW(TYPE("\7") ID FROM END) },
};

static struct msg_plan make_plan(enum msg_type type)
{
        return (struct msg_plan){
                .type = type,
                .xid = XID,
                .secs = 0x0102,
                .hardware = ARPHRD_ETHER,
                .chaddr = hardware,
                .client_id = client_id,
                .client_id_len = sizeof(client_id) - 1,
        };
}

static void ask(struct msg_plan *plan)
{
        plan->parameters = parameters;
        plan->parameter_count = sizeof(parameters);
        plan->max_size = 1500;
}

static void provide(struct msg_plan *plan, const struct msg_option *options, size_t count)
{
        plan->provided = options;
        plan->provided_count = count;
}

START_TEST(a_message_is_composed_byte_for_byte)
{
        uint8_t out[MSG_MAX], want[MSG_MIN] = { 1, 1, 6, 0, 0x12, 0x34, 0x56, 0x78, 1, 2 };
        struct msg_plan plan = make_plan(build_rows[_i].type);
        struct err err;
        size_t len = 0;

        if (build_rows[_i].ciaddr) {
                plan.ciaddr = ip("10.0.0.2");
                memcpy(want + 12, plan.ciaddr.bytes, 4);
        }
        if (build_rows[_i].requested)
                plan.requested = ip("10.0.0.2");
        if (build_rows[_i].server)
                plan.server = ip("10.0.0.1");
        if (build_rows[_i].question)
                ask(&plan);
        if (build_rows[_i].provided)
                provide(&plan, provided, ARRAY_SIZE(provided));
        if (build_rows[_i].broadcast) {
                plan.broadcast = true;
                want[10] = 0x80;
        }
        memcpy(want + 28, hardware.bytes, 6);
        memcpy(want + 236, "\x63\x82\x53\x63", 4);
        memcpy(want + 240, build_rows[_i].options, build_rows[_i].options_len);

        memset(out, 0xa5, sizeof(out));
        unit_assert_ok(msg_build(&plan, out, &len, &err), &err);
        ck_assert_uint_eq(len, MSG_MIN);
        ck_assert_mem_eq(out, want, MSG_MIN);
}
END_TEST

START_TEST(a_message_without_identifier_has_none)
{
        struct msg_plan plan = make_plan(MSG_DISCOVER);
        uint8_t out[MSG_MAX];
        struct err err;
        size_t len;

        plan.client_id_len = 0;
        plan.client_id = NULL;
        unit_assert_ok(msg_build(&plan, out, &len, &err), &err);
        ck_assert_mem_eq(out + FIXED_LEN, "\x35\1\1\xff\0", 5);
}
END_TEST

static const struct {
        const char *what;
        uint16_t type;
        uint8_t len, want_htype, want_len;
} hardware_rows[] = {
        { "Ethernet", ARPHRD_ETHER, 6, 1, 6 },
        { "no address", ARPHRD_ETHER, 0, 1, 0 },
        { "as long as can be", ARPHRD_ETHER, 16, 1, 16 },
        { "longer", ARPHRD_ETHER, 17, 1, 0 },
        { "InfiniBand", ARPHRD_INFINIBAND, 20, 32, 0 },
        { "InfiniBand, cut", ARPHRD_INFINIBAND, 8, 32, 0 },
};

START_TEST(chaddr_is_what_has_room)
{
        struct msg_plan plan = make_plan(MSG_DISCOVER);
        uint8_t out[MSG_MAX], want[16] = { 0 };
        struct err err;
        size_t len;

        plan.hardware = hardware_rows[_i].type;
        plan.chaddr.len = hardware_rows[_i].len;
        memset(plan.chaddr.bytes, 0xab, plan.chaddr.len);
        memset(want, 0xab, hardware_rows[_i].want_len);
        unit_assert_ok(msg_build(&plan, out, &len, &err), &err);
        ck_assert_uint_eq(out[1], hardware_rows[_i].want_htype);
        ck_assert_uint_eq(out[2], hardware_rows[_i].want_len);
        ck_assert_mem_eq(out + 28, want, sizeof(want));
        ck_assert_uint_eq(out[44], 0);
}
END_TEST

static const struct {
        const char *what;
        struct msg_option option;
        const char *options;
        size_t len;
} replaced_rows[] = {
        { "identifier, still second",
          { 61, 4, (const uint8_t *)"myid" },
          ROW(TYPE("\3") "\x3d\4myid" ASKED FROM LIST SIZE END) },
        { "address",
          { 50, 4, (const uint8_t *)"\x0a\0\0\7" },
          ROW(TYPE("\3") ID "\x32\4\x0a\0\0\7" FROM LIST SIZE END) },
        { "list",
          { 55, 1, (const uint8_t *)"\x79" },
          ROW(TYPE("\3") ID ASKED FROM "\x37\1\x79" SIZE END) },
        { "size",
          { 57, 2, (const uint8_t *)"\2\x40" },
          ROW(TYPE("\3") ID ASKED FROM LIST "\x39\2\2\x40" END) },
        { "nothing: an option without a value",
          { 80, 0, NULL },
          ROW(TYPE("\3") ID ASKED FROM LIST SIZE "\x50\0" END) },
        { "nothing: the first number",
          { 1, 1, (const uint8_t *)"x" },
          ROW(TYPE("\3") ID "\1\1x" ASKED FROM LIST SIZE END) },
        { "nothing: the last number",
          { 254, 1, (const uint8_t *)"x" },
          ROW(TYPE("\3") ID ASKED FROM LIST SIZE "\xfe\1x" END) },
};

START_TEST(what_is_provided_replaces_ours)
{
        struct msg_plan plan = make_plan(MSG_REQUEST);
        uint8_t out[MSG_MAX];
        struct err err;
        size_t len;

        plan.requested = ip("10.0.0.2");
        plan.server = ip("10.0.0.1");
        ask(&plan);
        provide(&plan, &replaced_rows[_i].option, 1);
        unit_assert_ok(msg_build(&plan, out, &len, &err), &err);
        ck_assert_mem_eq(out + FIXED_LEN, replaced_rows[_i].options, replaced_rows[_i].len);
}
END_TEST

/* ---- how much goes in ---- */

#define V32 "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv"
static const uint8_t long_value[] = V32 V32 V32 V32 V32 V32 V32 V32;

START_TEST(a_message_grows_beyond_the_padding)
{
        struct msg_plan plan = make_plan(MSG_DISCOVER);
        struct msg_option option = { 12, 0, long_value };
        uint8_t out[MSG_MAX];
        struct err err;
        size_t len;

        /* 240, type 3, identifier 14, this one 2 and its length, END 1 */
        provide(&plan, &option, 1);
        for (option.len = 30; option.len < 255; option.len++) {
                unit_assert_ok(msg_build(&plan, out, &len, &err), &err);
                ck_assert_uint_eq(len, option.len <= 40 ? MSG_MIN : 260U + option.len);
                ck_assert_uint_eq(out[259 + option.len], OPT_END);
                ck_assert_mem_eq(out + 259, long_value, option.len);
        }
}
END_TEST

/* Every host takes an IP packet of 576 bytes (RFC 791). 29 numbers in the list are what fits beside
 * the longest identifier when a message has all that we ever say. */
START_TEST(without_provided_options_a_message_fits_everywhere)
{
        struct msg_plan plan = make_plan(MSG_REQUEST);
        uint8_t out[MSG_MAX];
        struct err err;
        size_t len = 0;

        ask(&plan);
        plan.parameters = plan.client_id = long_value;
        plan.parameter_count = 29;
        plan.requested = plan.server = plan.ciaddr = ip("10.0.0.1");
        for (unsigned id_len = 0; id_len <= 255; id_len++) {
                plan.client_id_len = (uint8_t)id_len;
                unit_assert_ok(msg_build(&plan, out, &len, &err), &err);
                ck_assert_uint_le(len, 548);
        }
        ck_assert_uint_eq(len, 548);
        ck_assert_uint_eq(out[547], OPT_END);
}
END_TEST

/* 1232 bytes: 3 for the type, 14 for the identifier, four times 257 and 186 provided, 1 for END. */
START_TEST(a_message_can_be_full)
{
        struct msg_option options[] = { { 12, 255, long_value },
                                        { 60, 184, long_value },
                                        { 77, 255, long_value },
                                        { 124, 255, long_value },
                                        { 125, 255, long_value } };
        struct msg_plan plan = make_plan(MSG_DISCOVER);
        uint8_t out[MSG_MAX + 1];
        struct err err;
        size_t len = 77;

        provide(&plan, options, ARRAY_SIZE(options));
        out[MSG_MAX] = 0xa5;
        unit_assert_ok(msg_build(&plan, out, &len, &err), &err);
        ck_assert_uint_eq(len, MSG_MAX);
        ck_assert_uint_eq(out[MSG_MAX - 1], OPT_END);
        options[1].len++;
        ck_assert_int_eq(msg_build(&plan, out, &len, &err), -EMSGSIZE);
        ck_assert_uint_eq(out[MSG_MAX], 0xa5);
}
END_TEST

static const struct {
        const char *what;
        uint8_t id_len, parameter_count;
        struct msg_option provided[2];
        unsigned want; /* which one the error names */
} full_rows[] = {
        { "a long one before ours",
          12,
          2,
          { { 12, 255, long_value }, { 60, 30, long_value } },
          12 },
        { "a long one behind ours",
          12,
          2,
          { { 12, 30, long_value }, { 60, 255, long_value } },
          60 },
        { "a provided one beside a long identifier",
          255,
          2,
          { { 12, 40, long_value }, { 60, 1, long_value } },
          12 },
        { "a list", 255, 200, { { 12, 1, long_value }, { 60, 1, long_value } }, 55 },
        { "a provided list", 255, 2, { { 55, 100, long_value }, { 60, 1, long_value } }, 55 },
        { "a provided identifier", 1, 60, { { 61, 255, long_value }, { 60, 1, long_value } }, 61 },
};

/* Beside 28 short ones there is as much room as in a message of 548 bytes. */
START_TEST(the_error_names_what_does_not_fit)
{
        struct msg_option options[2 + 28];
        struct msg_plan plan = make_plan(MSG_REQUEST);
        uint8_t out[MSG_MAX];
        char want[128];
        struct err err;
        size_t len = 77;

        plan.client_id = plan.parameters = long_value;
        plan.requested = plan.server = ip("10.0.0.1");
        plan.max_size = 1500;
        plan.client_id_len = full_rows[_i].id_len;
        plan.parameter_count = full_rows[_i].parameter_count;
        memcpy(options, full_rows[_i].provided, sizeof(full_rows[_i].provided));
        for (size_t i = 2; i < ARRAY_SIZE(options); i++)
                options[i] = (struct msg_option){ (uint8_t)(126 + i), 31, long_value };
        provide(&plan, options, ARRAY_SIZE(options));
        (void)snprintf(want, sizeof(want), "option %u does not fit into a message of 1472 bytes",
                       full_rows[_i].want);
        unit_assert_err(msg_build(&plan, out, &len, &err), &err, CNI_ERR_CONFIG, want);
        ck_assert_uint_eq(len, 77);
}
END_TEST

/* ---- IP and UDP around it ---- */

START_TEST(a_message_is_wrapped_byte_for_byte)
{
        static const uint8_t want[28] = { 0x45, 0, 1, 0x48, 0,   0,   0,   0, 64, 17, 0,  0, 0,
                                          0,    0, 0, 255,  255, 255, 255, 0, 68, 0,  67, 1, 0x34 };
        struct msg_plan plan = make_plan(MSG_DISCOVER);
        const struct ip source = ip("0.0.0.0"), destination = ip("255.255.255.255");
        uint8_t payload[MSG_MAX], out[MSG_FRAME];
        struct err err;
        size_t len;

        unit_assert_ok(msg_build(&plan, payload, &len, &err), &err);
        memset(out, 0xa5, sizeof(out));
        ck_assert_uint_eq(msg_wrap(payload, len, &source, &destination, out), 328);
        ck_assert_uint_eq(sum_of(0, out, 20), 0xffff);
        ck_assert_uint_eq(udp_sum_of(out, out + 20, 308), 0xffff);
        ck_assert_uint_ne(get_u16(out + 26), 0);
        ck_assert_uint_eq(get_u16(out + 10), 0x79a6); /* by hand */
        put_u16(out + 10, 0);
        put_u16(out + 26, 0);
        ck_assert_mem_eq(out, want, sizeof(want));
        ck_assert_mem_eq(out + 28, payload, len);
}
END_TEST

START_TEST(the_addresses_are_the_given_ones)
{
        const struct ip source = ip("10.0.0.2"), destination = ip("10.0.0.1");
        uint8_t out[MSG_FRAME];

        ck_assert_uint_eq(msg_wrap((const uint8_t *)"odd", 3, &source, &destination, out), 31);
        ck_assert_mem_eq(out + 12, source.bytes, 4);
        ck_assert_mem_eq(out + 16, destination.bytes, 4);
        ck_assert_uint_eq(sum_of(0, out, 20), 0xffff);
        ck_assert_uint_eq(udp_sum_of(out, out + 20, 11), 0xffff);
}
END_TEST

START_TEST(every_length_has_its_checksum)
{
        const struct ip source = ip("10.0.0.2"), destination = ip("10.255.0.1");
        uint8_t payload[MSG_MAX], out[MSG_FRAME];

        for (size_t len = 0; len <= MSG_MAX; len++) {
                if (len > 0)
                        payload[len - 1] = (uint8_t)(len * 37);
                ck_assert_uint_eq(msg_wrap(payload, len, &source, &destination, out), len + 28);
                ck_assert_uint_eq(udp_sum_of(out, out + 20, len + 8), 0xffff);
        }
}
END_TEST

/* Some two bytes of the payload make the sum 0xffff, so that the checksum comes to 0. */
START_TEST(a_checksum_of_0_is_sent_as_ffff)
{
        const struct ip source = ip("10.0.0.2"), destination = ip("10.0.0.1");
        uint8_t payload[2] = { 0 }, out[MSG_FRAME];

        (void)msg_wrap(payload, sizeof(payload), &source, &destination, out);
        put_u16(payload, get_u16(out + 26));
        (void)msg_wrap(payload, sizeof(payload), &source, &destination, out);
        ck_assert_uint_eq(get_u16(out + 26), 0xffff);
        ck_assert_uint_eq(udp_sum_of(out, out + 20, 10), 0xffff);
}
END_TEST

/* What we build is what a server reads; made a reply, what we read ourselves. */
START_TEST(a_message_comes_back)
{
        const struct ip source = ip("10.0.0.1"), destination = ip("255.255.255.255");
        struct msg_plan plan = make_plan(MSG_REQUEST);
        uint8_t payload[MSG_MAX], out[MSG_FRAME];
        const uint8_t *back = NULL;
        static struct msg message;
        struct err err;
        size_t len, back_len = 0;

        ask(&plan);
        plan.ciaddr = ip("10.0.0.2");
        provide(&plan, provided, ARRAY_SIZE(provided));
        unit_assert_ok(msg_build(&plan, payload, &len, &err), &err);
        payload[0] = 2;
        len = msg_wrap(payload, len, &source, &destination, out);
        ck_assert_int_eq(msg_unwrap(out, len, false, &back, &back_len), MSG_OTHER_PORT);
        put_u16(out + 20, 67);
        put_u16(out + 22, 68); /* the sum stays */
        ck_assert_int_eq(msg_unwrap(out, len, false, &back, &back_len), MSG_OK);
        ck_assert_int_eq(msg_parse(back, back_len, &message), MSG_OK);
        ck_assert_uint_eq(message.type, MSG_REQUEST);
        ck_assert_uint_eq(message.xid, XID);
        ck_assert(ip_equal(&message.ciaddr, &plan.ciaddr));
        ck_assert_uint_eq(message.opts.len[OPT_CLIENT_ID], sizeof(client_id) - 1);
        ck_assert_mem_eq(message.opts.bytes + message.opts.at[OPT_CLIENT_ID], client_id,
                         sizeof(client_id) - 1);
        ck_assert_uint_eq(message.opts.len[224], 1);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, a_message_is_composed_byte_for_byte, build_rows);
        tcase_add_test(tests, a_message_without_identifier_has_none);
        unit_add_table(tests, chaddr_is_what_has_room, hardware_rows);
        unit_add_table(tests, what_is_provided_replaces_ours, replaced_rows);
        tcase_add_test(tests, a_message_grows_beyond_the_padding);
        tcase_add_test(tests, without_provided_options_a_message_fits_everywhere);
        tcase_add_test(tests, a_message_can_be_full);
        unit_add_table(tests, the_error_names_what_does_not_fit, full_rows);
        tcase_add_test(tests, a_message_is_wrapped_byte_for_byte);
        tcase_add_test(tests, the_addresses_are_the_given_ones);
        tcase_add_test(tests, every_length_has_its_checksum);
        tcase_add_test(tests, a_checksum_of_0_is_sent_as_ffff);
        tcase_add_test(tests, a_message_comes_back);
}

UNIT_MAIN("msg-build", add_tests)

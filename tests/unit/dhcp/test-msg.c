/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Received messages: the headers around them, and the fixed part.
 */
#include "msg.h"

#include "sums.h"
#include "values.h"

#define FIXED_LEN 240 /* up to the options, with the cookie */

/* ---- packets ---- */

#define PAYLOAD "payload" /* of an odd length */

struct packet {
        uint8_t bytes[128];
        size_t len;
};

/* Sets the checksums of a packet whose lengths are right. */
static void seal(struct packet *packet, bool udp)
{
        size_t header_len = (packet->bytes[0] & 0xfU) * 4;
        uint8_t *datagram = packet->bytes + header_len;

        put_u16(packet->bytes + 10, 0);
        put_u16(packet->bytes + 10, (uint16_t)~sum_of(0, packet->bytes, header_len));
        if (!udp)
                return;
        put_u16(datagram + 6, 0);
        put_u16(datagram + 6,
                (uint16_t)~udp_sum_of(packet->bytes, datagram, get_u16(datagram + 4)));
}

/* A right one, with a header of so many bytes. */
static struct packet make_packet(size_t header_len)
{
        static const uint8_t header[20] = { 0x45, 0, 0,  0, 0, 0, 0,   0,   64,  17,
                                            0,    0, 10, 0, 0, 1, 255, 255, 255, 255 };
        static const uint8_t udp[8] = { 0, 67, 0, 68 };
        struct packet packet = { .len = header_len + 8 + strlen(PAYLOAD) };

        memcpy(packet.bytes, header, sizeof(header));
        packet.bytes[0] = (uint8_t)(0x40 | header_len / 4);
        put_u16(packet.bytes + 2, (uint16_t)packet.len);
        memcpy(packet.bytes + header_len, udp, sizeof(udp));
        put_u16(packet.bytes + header_len + 4, (uint16_t)(packet.len - header_len));
        memcpy(packet.bytes + header_len + 8, PAYLOAD, strlen(PAYLOAD));
        seal(&packet, true);
        return packet;
}

/* From memory that ends where the packet does. The payload must be PAYLOAD when it is taken. */
static enum msg_drop unwrap(const struct packet *packet, size_t len, bool pending)
{
        const uint8_t *payload = NULL;
        uint8_t *exact = malloc(len > 0 ? len : 1);
        size_t payload_len = 77;
        enum msg_drop drop;

        ck_assert_ptr_nonnull(exact);
        memcpy(exact, packet->bytes, len);
        drop = msg_unwrap(exact, len, pending, &payload, &payload_len);
        if (drop == MSG_OK) {
                ck_assert_uint_eq(payload_len, strlen(PAYLOAD));
                ck_assert_mem_eq(payload, PAYLOAD, payload_len);
                ck_assert(payload >= exact && payload + payload_len <= exact + len);
        } else {
                ck_assert_ptr_null(payload);
                ck_assert_uint_eq(payload_len, 77);
        }
        free(exact);
        return drop;
}

START_TEST(a_right_packet_is_taken)
{
        for (size_t header_len = 20; header_len <= 60; header_len += 4) {
                struct packet packet = make_packet(header_len);

                ck_assert_int_eq(unwrap(&packet, packet.len, false), MSG_OK);
                ck_assert_int_eq(unwrap(&packet, packet.len, true), MSG_OK);
        }
}
END_TEST

START_TEST(padding_behind_the_packet_is_not_payload)
{
        struct packet packet = make_packet(20);

        memset(packet.bytes + packet.len, 0xee, sizeof(packet.bytes) - packet.len);
        for (size_t len = packet.len; len <= sizeof(packet.bytes); len++)
                ck_assert_int_eq(unwrap(&packet, len, false), MSG_OK);
        /* Between the end of UDP and that of IP, too. */
        put_u16(packet.bytes + 2, (uint16_t)(packet.len + 5));
        seal(&packet, true);
        ck_assert_int_eq(unwrap(&packet, packet.len + 5, false), MSG_OK);
        ck_assert_int_eq(unwrap(&packet, packet.len + 4, false), MSG_BAD_IP);
}
END_TEST

START_TEST(a_cut_packet_is_dropped)
{
        for (size_t header_len = 20; header_len <= 60; header_len += 20) {
                struct packet packet = make_packet(header_len);

                for (size_t len = 0; len < packet.len; len++)
                        ck_assert_int_eq(unwrap(&packet, len, true), MSG_BAD_IP);
        }
}
END_TEST

/* One byte or two of a right packet are changed; its header's checksum is right nevertheless. */
static const struct {
        const char *what;
        size_t at;
        uint16_t value;
        size_t width;
        enum msg_drop want;
} spoiled_rows[] = {
        { "version 6", 0, 0x65, 1, MSG_BAD_IP },
        { "version 0", 0, 0x05, 1, MSG_BAD_IP },
        { "header of 0", 0, 0x40, 1, MSG_BAD_IP },
        { "header of 16", 0, 0x44, 1, MSG_BAD_IP },
        { "header of 36, over the end", 0, 0x49, 1, MSG_BAD_IP },
        { "header of 60, over the end", 0, 0x4f, 1, MSG_BAD_IP },
        { "total length 0", 2, 0, 2, MSG_BAD_IP },
        { "total length 19", 2, 19, 2, MSG_BAD_IP },
        { "total length 20", 2, 20, 2, MSG_BAD_UDP },
        { "total length 21", 2, 21, 2, MSG_BAD_UDP },
        { "total length 27", 2, 27, 2, MSG_BAD_UDP },
        { "total length 28", 2, 28, 2, MSG_BAD_UDP },
        { "total length one less", 2, 34, 2, MSG_BAD_UDP },
        { "total length one more", 2, 36, 2, MSG_BAD_IP },
        { "total length 65535", 2, 65535, 2, MSG_BAD_IP },
        { "more fragments", 6, 0x2000, 2, MSG_FRAGMENT },
        { "the last fragment", 6, 0x0001, 2, MSG_FRAGMENT },
        { "a far fragment", 6, 0x1000, 2, MSG_FRAGMENT },
        { "do not fragment", 6, 0x4000, 2, MSG_OK },
        { "TCP", 9, 6, 1, MSG_NOT_UDP },
        { "ICMP", 9, 1, 1, MSG_NOT_UDP },
        { "UDP length 0", 24, 0, 2, MSG_BAD_UDP },
        { "UDP length 7", 24, 7, 2, MSG_BAD_UDP },
        { "UDP length one more", 24, 16, 2, MSG_BAD_UDP },
        { "UDP length 65535", 24, 65535, 2, MSG_BAD_UDP },
        { "port 67", 22, 67, 2, MSG_OTHER_PORT },
        { "port 324", 22, 68 + 256, 2, MSG_OTHER_PORT },
        { "source port", 20, 1067, 2, MSG_OK }, /* relays may have any */
};

START_TEST(each_length_is_checked)
{
        struct packet packet = make_packet(20);
        bool udp = spoiled_rows[_i].want == MSG_OK;

        if (spoiled_rows[_i].width == 1)
                packet.bytes[spoiled_rows[_i].at] = (uint8_t)spoiled_rows[_i].value;
        else
                put_u16(packet.bytes + spoiled_rows[_i].at, spoiled_rows[_i].value);
        seal(&packet, udp);
        ck_assert_int_eq(unwrap(&packet, packet.len, false), spoiled_rows[_i].want);
        ck_assert_int_eq(unwrap(&packet, packet.len, true), spoiled_rows[_i].want);
}
END_TEST

START_TEST(an_empty_payload_is_none_of_the_headers_faults)
{
        const uint8_t *payload;
        struct packet packet = make_packet(20);
        size_t len = 77;

        packet.len = 28;
        put_u16(packet.bytes + 2, 28);
        put_u16(packet.bytes + 24, 8);
        seal(&packet, true);
        ck_assert_int_eq(msg_unwrap(packet.bytes, packet.len, false, &payload, &len), MSG_OK);
        ck_assert_uint_eq(len, 0);
}
END_TEST

START_TEST(every_bit_is_under_a_checksum)
{
        for (size_t header_len = 20; header_len <= 24; header_len += 4) {
                const struct packet right = make_packet(header_len);

                for (size_t bit = 0; bit < right.len * 8; bit++) {
                        struct packet packet = right;

                        packet.bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
                        ck_assert_int_ne(unwrap(&packet, packet.len, false), MSG_OK);
                }
        }
}
END_TEST

START_TEST(a_checksum_that_is_not_filled_in_yet_is_not_looked_at)
{
        struct packet packet = make_packet(20);

        packet.bytes[26] ^= 0x55; /* UDP's */
        ck_assert_int_eq(unwrap(&packet, packet.len, false), MSG_BAD_CHECKSUM);
        ck_assert_int_eq(unwrap(&packet, packet.len, true), MSG_OK);
        packet.bytes[10] ^= 0x55; /* IP's is always there */
        ck_assert_int_eq(unwrap(&packet, packet.len, true), MSG_BAD_CHECKSUM);
}
END_TEST

START_TEST(a_udp_checksum_of_0_is_none)
{
        struct packet packet = make_packet(20);

        put_u16(packet.bytes + 26, 0);
        ck_assert_int_eq(unwrap(&packet, packet.len, false), MSG_OK);
        put_u16(packet.bytes + 26, 1);
        ck_assert_int_eq(unwrap(&packet, packet.len, false), MSG_BAD_CHECKSUM);
}
END_TEST

/* ---- received messages ---- */

struct reply {
        uint8_t bytes[1500];
        size_t len;
};

/* An OFFER whose every member has another value, without its END. */
static struct reply make_reply(void)
{
        static const uint8_t start[] = { 2,  1, 6, 3, 0xde, 0xad, 0xbe, 0xef, 0,    9,   0x80, 0,
                                         10, 0, 0, 1, 10,   0,    0,    2,    10,   0,   0,    3,
                                         10, 0, 0, 4, 2,    0,    0,    0x10, 0x20, 0x77 };
        static const uint8_t end[] = { 99, 130, 83, 99, 53, 1, MSG_OFFER, 54, 4, 10, 0, 0, 1 };
        struct reply reply = { .len = 236 + sizeof(end) };

        memcpy(reply.bytes, start, sizeof(start));
        memset(reply.bytes + 34, 0xcc, 10); /* the rest of chaddr */
        memset(reply.bytes + 44, 0xff, 64); /* sname */
        memset(reply.bytes + 108, 0xff, 128);
        memcpy(reply.bytes + 236, end, sizeof(end));
        return reply;
}

static struct msg message; /* what a test has parsed */

static enum msg_drop parse(const struct reply *reply, size_t len)
{
        uint8_t *exact = malloc(len > 0 ? len : 1);
        enum msg_drop drop;

        ck_assert_ptr_nonnull(exact);
        memcpy(exact, reply->bytes, len);
        drop = msg_parse(exact, len, &message);
        free(exact);
        return drop;
}

START_TEST(a_reply_is_read)
{
        const struct reply reply = make_reply();
        const struct ip ciaddr = ip("10.0.0.1"), yiaddr = ip("10.0.0.2"), giaddr = ip("10.0.0.4");
        struct ip server;

        memset(&message, 0xa5, sizeof(message));
        ck_assert_int_eq(parse(&reply, reply.len), MSG_OK);
        ck_assert_uint_eq(message.type, MSG_OFFER);
        ck_assert_uint_eq(message.hlen, 6);
        ck_assert_uint_eq(message.xid, 0xdeadbeef);
        ck_assert_mem_eq(message.chaddr, reply.bytes + 28, 16);
        ck_assert(ip_equal(&message.ciaddr, &ciaddr));
        ck_assert(ip_equal(&message.yiaddr, &yiaddr));
        ck_assert(ip_equal(&message.giaddr, &giaddr));
        ck_assert(opts_get_ip(&message.opts, OPT_SERVER, &server) && ip_equal(&server, &ciaddr));
        ck_assert(!message.opts.given[OPT_LEASE_TIME]);
}
END_TEST

START_TEST(a_message_has_a_fixed_part)
{
        const struct reply reply = make_reply();

        for (size_t len = 0; len < FIXED_LEN; len++)
                ck_assert_int_eq(parse(&reply, len), MSG_SHORT);
        ck_assert_int_eq(parse(&reply, FIXED_LEN), MSG_NO_TYPE);
        ck_assert_int_eq(parse(&reply, FIXED_LEN + 1), MSG_BAD_OPTIONS);
        ck_assert_int_eq(parse(&reply, FIXED_LEN + 2), MSG_BAD_OPTIONS);
        ck_assert_int_eq(parse(&reply, FIXED_LEN + 3), MSG_OK);
}
END_TEST

START_TEST(only_replies_with_the_cookie_count)
{
        for (unsigned op = 0; op < 256; op++) {
                struct reply reply = make_reply();

                reply.bytes[0] = (uint8_t)op;
                ck_assert_int_eq(parse(&reply, reply.len), op == 2 ? MSG_OK : MSG_NOT_REPLY);
        }
        for (size_t i = 236; i < 240; i++) {
                struct reply reply = make_reply();

                reply.bytes[i] ^= 1;
                ck_assert_int_eq(parse(&reply, reply.len), MSG_NOT_REPLY);
        }
}
END_TEST

static const struct {
        const char *options;
        size_t len;
        enum msg_drop want;
        unsigned type;
} type_rows[] = {
        { "\x35\1\5", 3, MSG_OK, MSG_ACK },
        { "\x0c\1x\x35\1\6", 6, MSG_OK, MSG_NAK },
        { "\x35\1\0", 3, MSG_OK, 0 },
        { "\x35\1\xff", 3, MSG_OK, 255 },
        { "", 0, MSG_NO_TYPE, 0 },
        { "\xff\x35\1\5", 4, MSG_NO_TYPE, 0 },
        { "\x35\0", 2, MSG_NO_TYPE, 0 },
        { "\x35\2\5\5", 4, MSG_NO_TYPE, 0 },
        { "\x35\1\5\x35\1\5", 6, MSG_NO_TYPE, 0 }, /* one value of two bytes */
        { "\x35\1\5\x33\4\0", 6, MSG_BAD_OPTIONS, 0 },
        { "\x35\1\5\x33", 4, MSG_BAD_OPTIONS, 0 },
        { "\x35\1\5\x34\1\1", 6, MSG_OK, MSG_ACK }, /* `file` begins with its END */
};

START_TEST(a_message_has_a_type)
{
        struct reply reply = make_reply();

        memcpy(reply.bytes + FIXED_LEN, type_rows[_i].options, type_rows[_i].len);
        ck_assert_int_eq(parse(&reply, FIXED_LEN + type_rows[_i].len), type_rows[_i].want);
        if (type_rows[_i].want == MSG_OK)
                ck_assert_uint_eq(message.type, type_rows[_i].type);
}
END_TEST

START_TEST(options_are_read_from_file_and_sname)
{
        struct reply reply = make_reply();

        memcpy(reply.bytes + 44, "\x0c\1s\xff", 4);
        memcpy(reply.bytes + 108, "\x0c\1f\xff", 4);
        memcpy(reply.bytes + FIXED_LEN, "\x35\1\5\x34\1\3\x0c\1m\xff", 10);
        ck_assert_int_eq(parse(&reply, FIXED_LEN + 10), MSG_OK);
        ck_assert_uint_eq(message.opts.len[OPT_HOST_NAME], 3);
        ck_assert_mem_eq(message.opts.bytes + message.opts.at[OPT_HOST_NAME], "mfs", 3);
        reply.bytes[FIXED_LEN + 5] = 0;
        ck_assert_int_eq(parse(&reply, FIXED_LEN + 10), MSG_OK);
        ck_assert_uint_eq(message.opts.len[OPT_HOST_NAME], 1);
}
END_TEST

START_TEST(too_many_options_are_bad_options)
{
        static struct {
                uint8_t bytes[FIXED_LEN + 17 * 257];
        } large;
        struct reply reply = make_reply();

        memcpy(large.bytes, reply.bytes, FIXED_LEN);
        for (size_t i = 0; i < 17; i++) {
                large.bytes[FIXED_LEN + i * 257] = 43;
                large.bytes[FIXED_LEN + i * 257 + 1] = 255;
        }
        ck_assert_int_eq(msg_parse(large.bytes, sizeof(large.bytes), &message), MSG_BAD_OPTIONS);
}
END_TEST

/* ---- texts ---- */

START_TEST(types_have_names)
{
        ck_assert_str_eq(msg_type_text(0), "?");
        ck_assert_str_eq(msg_type_text(MSG_DISCOVER), "DISCOVER");
        ck_assert_str_eq(msg_type_text(MSG_OFFER), "OFFER");
        ck_assert_str_eq(msg_type_text(MSG_REQUEST), "REQUEST");
        ck_assert_str_eq(msg_type_text(MSG_DECLINE), "DECLINE");
        ck_assert_str_eq(msg_type_text(MSG_ACK), "ACK");
        ck_assert_str_eq(msg_type_text(MSG_NAK), "NAK");
        ck_assert_str_eq(msg_type_text(MSG_RELEASE), "RELEASE");
        ck_assert_str_eq(msg_type_text(MSG_INFORM), "INFORM");
        ck_assert_str_eq(msg_type_text(MSG_FORCERENEW), "FORCERENEW");
        ck_assert_str_eq(msg_type_text(MSG_FORCERENEW + 1), "?");
        ck_assert_str_eq(msg_type_text(UINT8_MAX), "?");
}
END_TEST

START_TEST(reasons_have_texts_of_their_own)
{
        for (unsigned i = 0; i < MSG_DROP_COUNT; i++) {
                ck_assert_ptr_nonnull(msg_drop_text((enum msg_drop)i));
                for (unsigned j = 0; j < i; j++)
                        ck_assert_str_ne(msg_drop_text((enum msg_drop)i),
                                         msg_drop_text((enum msg_drop)j));
        }
        ck_assert_str_eq(msg_drop_text(MSG_OTHER_HARDWARE), "wrong chaddr");
        ck_assert_str_eq(msg_drop_text(MSG_OTHER_XID), "wrong xid");
        ck_assert_str_eq(msg_drop_text(MSG_DROP_COUNT), "?");
}
END_TEST

static void add_tests(TCase *tests)
{
        tcase_add_test(tests, a_right_packet_is_taken);
        tcase_add_test(tests, padding_behind_the_packet_is_not_payload);
        tcase_add_test(tests, a_cut_packet_is_dropped);
        unit_add_table(tests, each_length_is_checked, spoiled_rows);
        tcase_add_test(tests, an_empty_payload_is_none_of_the_headers_faults);
        tcase_add_test(tests, every_bit_is_under_a_checksum);
        tcase_add_test(tests, a_checksum_that_is_not_filled_in_yet_is_not_looked_at);
        tcase_add_test(tests, a_udp_checksum_of_0_is_none);
        tcase_add_test(tests, a_reply_is_read);
        tcase_add_test(tests, a_message_has_a_fixed_part);
        tcase_add_test(tests, only_replies_with_the_cookie_count);
        unit_add_table(tests, a_message_has_a_type, type_rows);
        tcase_add_test(tests, options_are_read_from_file_and_sname);
        tcase_add_test(tests, too_many_options_are_bad_options);
        tcase_add_test(tests, types_have_names);
        tcase_add_test(tests, reasons_have_texts_of_their_own);
}

UNIT_MAIN("msg", add_tests)

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Profiles and keys: written, read, refused.
 */
#include "profile.h"

#include "json-text.h"

/* ---- keys ---- */

/* The texts stay the test's. */
static struct key key(const char *container_id, const char *network, const char *ifname)
{
        return (struct key){ strdup(container_id), strdup(network), strdup(ifname) };
}

START_TEST(a_key_has_the_name_of_its_three_texts)
{
        struct key one = key("c1", "net", "eth0"), other = key("c1n", "et", "eth0");
        char name[KEY_NAME_MAX], other_name[KEY_NAME_MAX];

        /* printf 'c1\0net\0eth0' | sha256sum */
        ck_assert_str_eq(key_name(&one, name),
                         "c0addc7e81cbdd231504eacfb440670aeaf905b66b846a0caccc25dbed508d41");
        ck_assert_str_ne(key_name(&other, other_name), name);
        key_done(&one);
        key_done(&other);
        ck_assert_ptr_null(one.ifname);
}
END_TEST

static const struct {
        const char *container_id, *network, *ifname;
        bool equal;
} equal_rows[] = {
        { "c1", "net", "eth0", true }, { "c2", "net", "eth0", false },
        { "c1", "ne", "eth0", false }, { "c1", "net", "eth1", false },
        { "c1", "net", "", false },
};

START_TEST(keys_are_equal_in_all_three_texts)
{
        struct key one = key("c1", "net", "eth0");
        struct key other =
                key(equal_rows[_i].container_id, equal_rows[_i].network, equal_rows[_i].ifname);
        struct key copy;
        struct err err;

        ck_assert(key_equal(&one, &other) == equal_rows[_i].equal);
        unit_assert_ok(key_copy(&other, &copy, &err), &err);
        ck_assert_ptr_ne(copy.network, other.network);
        ck_assert(key_equal(&copy, &other));
        key_done(&copy);
        key_done(&one);
        key_done(&other);
}
END_TEST

static const struct {
        const char *text, *written, *error;
} key_rows[] = {
        { "{\"containerID\":\"c1\",\"network\":\"net\",\"ifname\":\"eth0\"}", NULL, NULL },
        { "{\"network\":\"net\"}", "{\"containerID\":\"\",\"network\":\"net\",\"ifname\":\"\"}",
          NULL },
        { "{\"network\":null,\"more\":1}",
          "{\"containerID\":\"\",\"network\":\"\",\"ifname\":\"\"}", NULL },
        { "{\"network\":7}", NULL, "network: must be a string, not a number" },
        { "[]", NULL, "the configuration: must be an object, not a list" },
};

START_TEST(a_key_is_written_and_read)
{
        const char *written = key_rows[_i].written;
        struct key decoded = { 0 };
        struct json_writer w;
        struct buf buf;
        struct err err;
        int r = decode_text(key_rows[_i].text, key_decode, &decoded, &err);

        if (key_rows[_i].error) {
                unit_assert_err(r, &err, CNI_ERR_DECODE, key_rows[_i].error);
                key_done(&decoded);
                return;
        }
        unit_assert_ok(r, &err);
        start_text(&buf, &w);
        json_begin(&w, NULL, '{');
        key_put(&decoded, &w);
        json_end(&w, '}');
        ck_assert_str_eq(buf_text(&buf), written ? written : key_rows[_i].text);
        buf_done(&buf);
        key_done(&decoded);
}
END_TEST

/* ---- provided options ---- */

START_TEST(a_later_option_of_the_same_code_replaces)
{
        struct profile profile = { 0 };
        uint8_t name[] = { 'a', 'b', 'c' };
        struct err err;

        unit_assert_ok(profile_provide(&profile, OPT_HOST_NAME, name, 3, &err), &err);
        unit_assert_ok(profile_provide(&profile, OPT_VENDOR_CLASS, NULL, 0, &err), &err);
        name[0] = 'x'; /* a copy was taken */
        ck_assert_uint_eq(profile.provided_count, 2);
        ck_assert_uint_eq(profile.provided[0].code, OPT_HOST_NAME);
        ck_assert_uint_eq(profile.provided[0].len, 3);
        ck_assert_mem_eq(profile.provided[0].bytes, "abc", 3);
        ck_assert_uint_eq(profile.provided[1].code, OPT_VENDOR_CLASS);
        ck_assert_uint_eq(profile.provided[1].len, 0);
        unit_assert_ok(profile_provide(&profile, OPT_HOST_NAME, "longer", 6, &err), &err);
        ck_assert_uint_eq(profile.provided_count, 2);
        ck_assert_uint_eq(profile.provided[0].len, 6);
        ck_assert_mem_eq(profile.provided[0].bytes, "longer", 6);
        profile_done(&profile);
        ck_assert_uint_eq(profile.provided_count, 0);
}
END_TEST

START_TEST(options_have_limits)
{
        struct profile profile = { 0 };
        uint8_t bytes[256] = { 1 };
        struct err err;

        unit_assert_err(profile_provide(&profile, 60, bytes, 256, &err), &err, CNI_ERR_CONFIG,
                        "option 60 is 256 bytes long, 255 are the most");
        for (unsigned code = 100; code < 100 + PROFILE_OPTIONS_MAX; code++)
                unit_assert_ok(profile_provide(&profile, (uint8_t)code, bytes, 255, &err), &err);
        unit_assert_err(profile_provide(&profile, 60, bytes, 1, &err), &err, CNI_ERR_CONFIG,
                        "more than 64 options are provided");
        unit_assert_ok(profile_provide(&profile, 100, bytes, 1, &err), &err);
        ck_assert_uint_eq(profile.provided_count, PROFILE_OPTIONS_MAX);
        profile_done(&profile);
}
END_TEST

START_TEST(the_clients_own_options_are_not_provided)
{
        for (unsigned code = 0; code < 256; code++) {
                bool own = code == 0 || code == 52 || code == 53 || code == 54 || code == 255;

                ck_assert_msg(profile_may_provide((uint8_t)code) == !own, "%u", code);
        }
}
END_TEST

/* ---- JSON ---- */

#define PROFILE(id, parameters, provided, loss, acd, flags, priority)                        \
        "{\"clientID\":\"" id "\",\"parameters\":\"" parameters "\",\"provided\":[" provided \
        "],\"onLeaseLoss\":\"" loss "\",\"acd\":\"" acd "\"," flags ",\"priority\":" priority "}"
#define FLAGS(broadcast, strict, kernel, dns, suppress)                                 \
        broadcast "\"strictNak\":" strict ",\"kernelLifetime\":" kernel ",\"dns\":" dns \
                  ",\"suppressGateway\":" suppress
#define NO_FLAGS FLAGS("", "false", "false", "false", "false")

static const struct {
        const char *text, *written; /* NULL: the same */
} profile_rows[] = {
        { "{}", PROFILE("", "", "", "deconfigure", "off", NO_FLAGS, "0") },
        { "{\"clientID\":null,\"provided\":null,\"acd\":null,\"more\":[{}]}",
          PROFILE("", "", "", "deconfigure", "off", NO_FLAGS, "0") },
        { PROFILE("006331", "0103", "{\"code\":12,\"value\":\"70\"},{\"code\":60,\"value\":\"\"}",
                  "down", "fast", FLAGS("\"broadcast\":true,", "false", "false", "false", "false"),
                  "50"),
          NULL },
        { PROFILE("ff", "", "", "keep", "full", FLAGS("", "true", "false", "false", "false"), "-1"),
          NULL },
        { PROFILE("", "01", "", "replace", "off", FLAGS("", "false", "true", "false", "false"),
                  "4294967295"),
          NULL },
        { PROFILE("", "", "", "keep", "off", FLAGS("", "false", "false", "true", "false"), "0"),
          NULL },
        { PROFILE("", "", "", "keep", "off", FLAGS("", "false", "false", "false", "true"), "0"),
          NULL },
        { "{\"clientID\":\"ABcd0F\"}",
          PROFILE("abcd0f", "", "", "deconfigure", "off", NO_FLAGS, "0") },
};

static void put(const struct profile *profile, struct buf *buf)
{
        struct json_writer w;

        start_text(buf, &w);
        profile_put(profile, NULL, &w);
}

START_TEST(a_profile_is_written_and_read)
{
        const char *want = profile_rows[_i].written;
        struct profile profile = { 0 };
        struct buf buf;
        struct err err;

        unit_assert_ok(decode_text(profile_rows[_i].text, profile_decode, &profile, &err), &err);
        put(&profile, &buf);
        ck_assert_str_eq(buf_text(&buf), want ? want : profile_rows[_i].text);
        buf_done(&buf);
        profile_done(&profile);
}
END_TEST

START_TEST(values_get_to_their_members)
{
        struct profile profile = { 0 };
        struct err err;

        unit_assert_ok(decode_text(profile_rows[2].text, profile_decode, &profile, &err), &err);
        ck_assert_uint_eq(profile.client_id_len, 3);
        ck_assert_mem_eq(profile.client_id, "\0c1", 3);
        ck_assert_uint_eq(profile.parameter_count, 2);
        ck_assert_mem_eq(profile.parameters, "\1\3", 2);
        ck_assert_uint_eq(profile.provided_count, 2);
        ck_assert_uint_eq(profile.provided[0].code, 12);
        ck_assert_mem_eq(profile.provided[0].bytes, "p", 1);
        ck_assert_int_eq(profile.loss, LOSS_DOWN);
        ck_assert_int_eq(profile.acd, ACD_FAST);
        ck_assert_int_eq(profile.broadcast, BROADCAST_ON);
        ck_assert(!profile.strict_nak && !profile.dns);
        ck_assert_int_eq(profile.priority, 50);
        profile_done(&profile);
}
END_TEST

#define FF16  "ffffffffffffffffffffffffffffffff"
#define FF128 FF16 FF16 FF16 FF16 FF16 FF16 FF16 FF16

static const struct {
        const char *text;
        int code;
        const char *msg, *details;
} refused_rows[] = {
        { "{\"clientID\":\"0\"}", CNI_ERR_CONFIG, "bytes are pairs of hex digits", "clientID" },
        { "{\"clientID\":\"0g\"}", CNI_ERR_CONFIG, "bytes are pairs of hex digits", "clientID" },
        { "{\"parameters\":\"0x12\"}", CNI_ERR_CONFIG, "bytes are pairs of hex digits",
          "parameters" },
        { "{\"clientID\":\"" FF128 FF128 "\"}", CNI_ERR_CONFIG, "256 bytes, where 255 are the most",
          "clientID" },
        { "{\"parameters\":\"" FF128 FF128 "\"}", CNI_ERR_CONFIG,
          "256 bytes, where 255 are the most", "parameters" },
        { "{\"provided\":[{\"code\":60,\"value\":\"" FF128 FF128 "\"}]}", CNI_ERR_CONFIG,
          "256 bytes, where 255 are the most", "provided[0].value" },
        { "{\"provided\":[{\"code\":12,\"value\":\"\"},{\"code\":53,\"value\":\"\"}]}",
          CNI_ERR_CONFIG, "no option that may be provided", "provided[1]" },
        { "{\"provided\":[{\"value\":\"\"}]}", CNI_ERR_CONFIG, "no option that may be provided",
          "provided[0]" },
        { "{\"provided\":[{\"code\":256,\"value\":\"\"}]}", CNI_ERR_CONFIG,
          "no option that may be provided", "provided[0]" },
        { "{\"provided\":[{\"code\":12},{\"code\":60},{\"code\":12}]}", CNI_ERR_CONFIG,
          "option 12 is provided twice", "provided[2]" },
        { "{\"provided\":[null]}", CNI_ERR_DECODE, "provided[0]: must be an object, not null", "" },
        { "{\"provided\":{}}", CNI_ERR_DECODE, "provided: must be a list, not an object", "" },
        { "{\"onLeaseLoss\":\"Down\"}", CNI_ERR_CONFIG, "unknown value \"Down\"", "onLeaseLoss" },
        { "{\"acd\":\"\"}", CNI_ERR_CONFIG, "unknown value \"\"", "acd" },
        { "{\"acd\":1}", CNI_ERR_DECODE, "acd: must be a string, not a number", "" },
        { "{\"broadcast\":\"true\"}", CNI_ERR_DECODE,
          "broadcast: must be true or false, not a string", "" },
        { "{\"priority\":1.5}", CNI_ERR_DECODE, "priority: must be an integer, not 1.5", "" },
        { "[]", CNI_ERR_DECODE, "the configuration: must be an object, not a list", "" },
};

START_TEST(what_makes_no_sense_is_refused)
{
        struct profile profile = { 0 };
        struct err err;
        int r = decode_text(refused_rows[_i].text, profile_decode, &profile, &err);

        unit_assert_err(r, &err, refused_rows[_i].code, refused_rows[_i].msg);
        ck_assert_str_eq(err.details, refused_rows[_i].details);
        profile_done(&profile);
}
END_TEST

START_TEST(the_longest_bytes_pass)
{
        struct profile profile = { 0 }, again = { 0 };
        struct buf buf;
        struct err err;

        for (size_t i = 0; i < 255; i++)
                profile.client_id[i] = profile.parameters[i] = (uint8_t)i;
        profile.client_id_len = profile.parameter_count = 255;
        unit_assert_ok(profile_provide(&profile, 43, profile.client_id, 255, &err), &err);
        put(&profile, &buf);
        unit_assert_ok(decode_text(buf_text(&buf), profile_decode, &again, &err), &err);
        ck_assert_uint_eq(again.client_id_len, 255);
        ck_assert_mem_eq(again.client_id, profile.client_id, 255);
        ck_assert_uint_eq(again.parameter_count, 255);
        ck_assert_mem_eq(again.parameters, profile.parameters, 255);
        ck_assert_uint_eq(again.provided[0].len, 255);
        ck_assert_mem_eq(again.provided[0].bytes, profile.client_id, 255);
        buf_done(&buf);
        profile_done(&profile);
        profile_done(&again);
}
END_TEST

static void add_tests(TCase *tests)
{
        tcase_add_test(tests, a_key_has_the_name_of_its_three_texts);
        unit_add_table(tests, keys_are_equal_in_all_three_texts, equal_rows);
        unit_add_table(tests, a_key_is_written_and_read, key_rows);
        tcase_add_test(tests, a_later_option_of_the_same_code_replaces);
        tcase_add_test(tests, options_have_limits);
        tcase_add_test(tests, the_clients_own_options_are_not_provided);
        unit_add_table(tests, a_profile_is_written_and_read, profile_rows);
        tcase_add_test(tests, values_get_to_their_members);
        unit_add_table(tests, what_makes_no_sense_is_refused, refused_rows);
        tcase_add_test(tests, the_longest_bytes_pass);
}

UNIT_MAIN("profile", add_tests)

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configurations of dhcp.md, section 2, and the keys that upstream does not know.
 */
#include "conf.h"

#include "call.h"

#define V "\"cniVersion\":\"1.0.0\",\"name\":\"mynet\","

static void put_hex(struct buf *buf, const uint8_t *bytes, size_t len)
{
        for (size_t i = 0; i < len; i++)
                buf_printf(buf, "%02x", bytes[i]);
}

/* Everything that was read, in one line; what is as ever is left out. */
static void describe(const struct conf *conf, struct buf *buf)
{
        static const char *const broadcasts[] = {
                [BROADCAST_AUTO] = "",
                [BROADCAST_ON] = " | broadcast",
                [BROADCAST_OFF] = " | no broadcast",
        };
        const struct profile *profile = &conf->profile;

        if (strcmp(conf->socket, CONF_SOCKET) != 0)
                buf_printf(buf, "socket %s ", conf->socket);
        buf_puts(buf, "ask");
        for (size_t i = 0; i < profile->parameter_count; i++)
                buf_printf(buf, " %u", profile->parameters[i]);
        for (size_t i = 0; i < profile->provided_count; i++)
                buf_printf(buf, " | %u=%.*s", profile->provided[i].code, profile->provided[i].len,
                           (const char *)profile->provided[i].bytes);
        if (profile->client_id_len != 14 ||
            memcmp(profile->client_id, "\0c1/mynet/eth0", 14) != 0) {
                buf_puts(buf, " | id ");
                put_hex(buf, profile->client_id, profile->client_id_len);
        }
        if (profile->loss != LOSS_DECONFIGURE)
                buf_printf(buf, " | %s", profile_loss_texts[profile->loss]);
        if (profile->acd != ACD_OFF)
                buf_printf(buf, " | acd %s", profile_acd_texts[profile->acd]);
        if (profile->priority != 0)
                buf_printf(buf, " | priority %d", (int)profile->priority);
        buf_printf(buf, "%s%s%s%s%s", broadcasts[profile->broadcast],
                   profile->strict_nak ? " | strict" : "",
                   profile->kernel_lifetime ? " | kernel" : "", profile->dns ? " | dns" : "",
                   profile->suppress_gateway ? " | suppress" : "");
}

static const struct {
        const char *ipam, *args, *want;
} good_rows[] = {
        /* upstream's keys */
        { "", "", "ask 3 1" },
        { "\"type\":\"dhcp\",\"daemonSocketPath\":\"/run/other.sock\"", "",
          "socket /run/other.sock ask 3 1" },
        { "\"daemonSocketPath\":\"\"", "", "ask 3 1" },
        { "\"daemonSocketPath\":null,\"provide\":null,\"request\":null,\"priority\":null", "",
          "ask 3 1" },
        { "\"routes\":7,\"dns_\":7,\"addresses\":[],\"ranges\":{}", "", "ask 3 1" },
        { "\"priority\":50", "", "ask 3 1 | priority 50" },
        { "\"priority\":-1", "", "ask 3 1 | priority -1" },
        { "\"PRIORITY\":7,\"Provide\":[{\"OPTION\":\"12\",\"Value\":\"a\"}]", "",
          "ask 3 1 | 12=a | priority 7" },
        /* request: in order, once, the defaults behind */
        { "\"request\":[]", "", "ask 3 1" },
        { "\"request\":[{\"option\":\"host-name\"},{\"option\":\"121\"},{\"option\":\"33\"}]", "",
          "ask 12 121 33 3 1" },
        { "\"request\":[{\"option\":\"121\"},{\"option\":\"121\"},{\"option\":\"routers\"}]", "",
          "ask 121 3 1" },
        { "\"request\":[{\"option\":\"subnet-mask\"}]", "", "ask 1 3" },
        { "\"request\":[{\"option\":\"\"},{},null]", "", "ask 3 1" },
        { "\"request\":[{\"option\":\"0\"},{\"option\":\"255\"}]", "", "ask 0 255 3 1" },
        { "\"request\":[{\"skipDefault\":true},{\"option\":\"42\"}]", "", "ask 42" },
        { "\"request\":[{\"option\":\"42\"},{\"option\":\"6\",\"skipDefault\":true}]", "",
          "ask 42 6" },
        { "\"request\":[{\"skipDefault\":false},{\"option\":\"42\"}]", "", "ask 42 3 1" },
        { "\"request\":[{\"skipDefault\":true}]", "", "ask 1" }, /* no routers, really */
        { "\"request\":[{\"option\":\"user-class\"},{\"option\":\"vendor-class-identifier\"},"
          "{\"option\":\"dhcp-client-identifier\"}]",
          "", "ask 77 60 61 3 1" },
        /* provide */
        { "\"provide\":[{\"option\":\"host-name\",\"value\":\"box\"}]", "", "ask 3 1 | 12=box" },
        { "\"provide\":[{\"option\":\"12\"}]", "K=v", "ask 3 1" },
        { "\"provide\":[{\"option\":\"12\",\"value\":\"a\"},{\"option\":\"60\",\"value\":\"v\"},"
          "{\"option\":\"12\",\"value\":\"b\"}]",
          "", "ask 3 1 | 12=b | 60=v" },
        { "\"provide\":[{\"option\":\"53\"},{\"option\":\"0\"},{\"option\":\"255\"}]", "",
          "ask 3 1" },
        { "\"provide\":[{\"option\":\"50\",\"value\":\"xxxx\"},{\"option\":\"57\",\"value\":"
          "\"xx\"},{\"option\":\"54\"}]",
          "", "ask 3 1 | 50=xxxx | 57=xx" },
        { "\"provide\":[{\"option\":\"61\",\"value\":\"myid\"}]", "", "ask 3 1 | id 6d796964" },
        { "\"clientID\":\"mac\",\"provide\":[{\"option\":\"61\",\"value\":\"myid\"}]", "",
          "ask 3 1 | id 6d796964" },
        /* fromArg */
        { "\"provide\":[{\"option\":\"12\",\"fromArg\":\"K8S_POD_NAME\"}]",
          "IgnoreUnknown=1;K8S_POD_NAME=web-0", "ask 3 1 | 12=web-0" },
        { "\"provide\":[{\"option\":\"12\",\"value\":\"box\",\"fromArg\":\"A\"}]", "A=web",
          "ask 3 1 | 12=web" },
        { "\"provide\":[{\"option\":\"12\",\"value\":\"box\",\"fromArg\":\"A\"}]",
          "AA=1;junk;B=A=2", "ask 3 1 | 12=box" },
        { "\"provide\":[{\"option\":\"60\",\"fromArg\":\"A\"}]", "A=b=c;D", "ask 3 1 | 60=b=c" },
        { "\"provide\":[{\"option\":\"60\",\"fromArg\":\"A\"}]", ";;A=1;A=2;", "ask 3 1 | 60=2" },
        { "\"provide\":[{\"option\":\"60\",\"fromArg\":\"A=b\"}]", "A=b=c", "ask 3 1" },
        { "\"provide\":[{\"option\":\"60\",\"fromArg\":\"\"}]", "=x", "ask 3 1" },
        { "\"provide\":[{\"option\":\"60\",\"fromArg\":\"a\"}]", "A=1", "ask 3 1" },
        { "\"provide\":[{\"option\":\"12\",\"value\":\"box\",\"fromArg\":\"A\"}]",
          "A=", "ask 3 1" },
        /* ours */
        { "\"dns\":true", "", "ask 3 1 6 15 119 | dns" },
        { "\"dns\":true,\"request\":[{\"option\":\"15\"}]", "", "ask 15 3 1 6 119 | dns" },
        { "\"dns\":true,\"request\":[{\"skipDefault\":true}]", "", "ask 6 15 119 | dns" },
        { "\"dns\":false", "", "ask 3 1" },
        { "\"suppress\":[\"gateway\"]", "", "ask 3 1 | suppress" },
        { "\"suppress\":[\"gateway\",\"gateway\"]", "", "ask 3 1 | suppress" },
        { "\"suppress\":[]", "", "ask 3 1" },
        { "\"onLeaseLoss\":\"deconfigure\"", "", "ask 3 1" },
        { "\"onLeaseLoss\":\"down\"", "", "ask 3 1 | down" },
        { "\"onLeaseLoss\":\"keep\"", "", "ask 3 1 | keep" },
        { "\"onLeaseLoss\":\"replace\"", "", "ask 3 1 | replace" },
        { "\"acd\":\"off\"", "", "ask 3 1" },
        { "\"acd\":\"fast\"", "", "ask 3 1 | acd fast" },
        { "\"acd\":\"full\"", "", "ask 3 1 | acd full" },
        { "\"broadcast\":true,\"strictNak\":true,\"kernelLifetime\":true", "",
          "ask 3 1 | broadcast | strict | kernel" },
        { "\"broadcast\":false,\"strictNak\":false,\"kernelLifetime\":false", "",
          "ask 3 1 | no broadcast" },
        { "\"broadcast\":null", "", "ask 3 1" },
        /* identifiers: of c1, mynet and eth0 */
        { "\"clientID\":\"default\"", "", "ask 3 1" },
        { "\"clientID\":\"\"", "", "ask 3 1" },
        { "\"clientID\":\"mac\"", "", "ask 3 1 | id " },
        { "\"clientID\":\"hash\"", "", "ask 3 1 | id 000b2d986ae30816cd1bacb3f39e6f8bdd" },
        { "\"clientID\":\"duid\"", "",
          "ask 3 1 | id ff9c32a8c70004b3c32dbe079209542dfec71579b0d33a" },
        { "\"clientID\":\"text:abc\"", "", "ask 3 1 | id 00616263" },
        { "\"clientID\":\"hex:00\"", "", "ask 3 1 | id 00" },
        { "\"clientID\":\"hex:01aaBBcC\"", "", "ask 3 1 | id 01aabbcc" },
        /* host names */
        { "\"hostname\":\"\"", "K8S_POD_NAME=web-0", "ask 3 1" },
        { "\"hostname\":\"box-1.example\"", "", "ask 3 1 | 12=box-1.example" },
        { "\"hostname\":\"podName\"", "K8S_POD_NAMESPACE=n;K8S_POD_NAME=web-0",
          "ask 3 1 | 12=web-0" },
        { "\"hostname\":\"podName\"", "K8S_POD_NAMESPACE=n", "ask 3 1" },
        { "\"hostname\":\"podName\"", "K8S_POD_NAME=", "ask 3 1" },
        { "\"hostname\":\"box\",\"provide\":[{\"option\":\"12\",\"value\":\"!\"}]", "",
          "ask 3 1 | 12=!" },
        { "\"hostname\":\"podName\"",
          "K8S_POD_NAME=a123456789b123456789c123456789d123456789e123456789f123456789gh-x",
          "ask 3 1 | 12=a123456789b123456789c123456789d123456789e123456789f123456789gh" },
};

START_TEST(a_configuration_is_read)
{
        char config[1024];
        _cleanup_(conf_done) struct conf conf = { 0 };
        _cleanup_(buf_done) struct buf buf;
        struct unit_call call;
        struct err err = { 0 };

        (void)snprintf(config, sizeof(config), "{" V "\"ipam\":{%s}}", good_rows[_i].ipam);
        unit_call(&call, config, "eth0", good_rows[_i].args);
        unit_assert_ok(conf_read(&call.call, &conf, &err), &err);
        buf_init(&buf, 4096);
        describe(&conf, &buf);
        ck_assert_str_eq(buf_text(&buf), good_rows[_i].want);
        unit_call_done(&call);
}
END_TEST

#define ALLOCATE "error calling DHCP.Allocate: "
#define PARSE    "error obtaining socketPath: error parsing socket path conf: "

static const struct {
        const char *config, *args;
        int code;
        const char *want, *details;
} bad_rows[] = {
        { "{" V "\"x\":1}", "", CNI_ERR_CONFIG, "IPAM config missing 'ipam' key", "" },
        { "{" V "\"ipam\":null}", "", CNI_ERR_CONFIG, "IPAM config missing 'ipam' key", "" },
        { "{" V "\"ipam\":7}", "", CNI_ERR_INTERNAL, PARSE "ipam: must be an object, not a number",
          "" },
        { "{" V "\"ipam\":{\"daemonSocketPath\":7}}", "", CNI_ERR_INTERNAL,
          PARSE "ipam.daemonSocketPath: must be a string, not a number", "" },
        { "{" V "\"ipam\":{\"provide\":{}}}", "", CNI_ERR_INTERNAL,
          PARSE "ipam.provide: must be a list, not an object", "" },
        { "{" V "\"ipam\":{\"provide\":[7]}}", "", CNI_ERR_INTERNAL,
          PARSE "ipam.provide[0]: must be an object, not a number", "" },
        { "{" V "\"ipam\":{\"request\":[{},{\"option\":12}]}}", "", CNI_ERR_INTERNAL,
          PARSE "ipam.request[1].option: must be a string, not a number", "" },
        { "{" V "\"ipam\":{\"priority\":\"1\"}}", "", CNI_ERR_INTERNAL,
          PARSE "ipam.priority: must be an integer, not a string", "" },
        { "{" V "\"ipam\":{\"dns\":\"yes\"}}", "", CNI_ERR_INTERNAL,
          PARSE "ipam.dns: must be true or false, not a string", "" },
        { "{" V "\"ipam\":{\"broadcast\":\"false\"}}", "", CNI_ERR_INTERNAL,
          PARSE "ipam.broadcast: must be true or false, not a string", "" },
        /* upstream's */
        { "{" V "\"ipam\":{\"request\":[{\"option\":\"domain-name\"}]}}", "", CNI_ERR_INTERNAL,
          ALLOCATE "Can not parse option \"domain-name\": Can not parse option: strconv.ParseUint: "
                   "parsing \"domain-name\": invalid syntax",
          "" },
        { "{" V "\"ipam\":{\"request\":[{\"option\":\"256\"}]}}", "", CNI_ERR_INTERNAL,
          ALLOCATE "Can not parse option \"256\": Can not parse option: strconv.ParseUint: "
                   "parsing \"256\": value out of range",
          "" },
        { "{" V "\"ipam\":{\"provide\":[{\"value\":\"x\"}]}}", "", CNI_ERR_INTERNAL,
          ALLOCATE "Can not parse option \"\": Can not parse option: strconv.ParseUint: "
                   "parsing \"\": invalid syntax",
          "" },
        /* the client's own options */
        { "{" V "\"ipam\":{\"provide\":[{\"option\":\"53\",\"value\":\"x\"}]}}", "",
          CNI_ERR_INTERNAL, ALLOCATE "option \"53\" cannot be provided: it is the client's own",
          "" },
        { "{" V "\"ipam\":{\"provide\":[{\"option\":\"52\",\"value\":\"x\"}]}}", "",
          CNI_ERR_INTERNAL, ALLOCATE "option \"52\" cannot be provided: it is the client's own",
          "" },
        { "{" V "\"ipam\":{\"provide\":[{\"option\":\"54\",\"value\":\"x\"}]}}", "",
          CNI_ERR_INTERNAL, ALLOCATE "option \"54\" cannot be provided: it is the client's own",
          "" },
        { "{" V "\"ipam\":{\"provide\":[{\"option\":\"0\",\"value\":\"x\"}]}}", "",
          CNI_ERR_INTERNAL, ALLOCATE "option \"0\" cannot be provided: it is the client's own",
          "" },
        { "{" V "\"ipam\":{\"provide\":[{\"option\":\"255\",\"fromArg\":\"A\"}]}}", "A=x",
          CNI_ERR_INTERNAL, ALLOCATE "option \"255\" cannot be provided: it is the client's own",
          "" },
        /* ours */
        { "{" V "\"ipam\":{\"onLeaseLoss\":\"Down\"}}", "", CNI_ERR_CONFIG,
          "onLeaseLoss cannot be 'Down', only one of: deconfigure, down, keep, replace",
          "ipam.onLeaseLoss" },
        { "{" V "\"ipam\":{\"acd\":\"\"}}", "", CNI_ERR_CONFIG,
          "acd cannot be '', only one of: off, fast, full", "ipam.acd" },
        { "{" V "\"ipam\":{\"suppress\":[\"gateway\",\"routes\"]}}", "", CNI_ERR_CONFIG,
          "suppress cannot be 'routes', only one of: gateway", "ipam.suppress[1]" },
        { "{" V "\"ipam\":{\"clientID\":\"MAC\"}}", "", CNI_ERR_CONFIG,
          "clientID cannot be 'MAC', only one of: default, mac, duid, hash, text:..., hex:...",
          "" },
        { "{" V "\"ipam\":{\"clientID\":\"text:\"}}", "", CNI_ERR_CONFIG,
          "clientID: text: needs 1 to 254 bytes, not 0", "" },
        { "{" V "\"ipam\":{\"clientID\":\"hex:\"}}", "", CNI_ERR_CONFIG,
          "clientID: hex: needs 1 to 255 bytes of two hex digits each, not ''", "" },
        { "{" V "\"ipam\":{\"clientID\":\"hex:123\"}}", "", CNI_ERR_CONFIG,
          "clientID: hex: needs 1 to 255 bytes of two hex digits each, not '123'", "" },
        { "{" V "\"ipam\":{\"clientID\":\"hex:0g\"}}", "", CNI_ERR_CONFIG,
          "clientID: hex: needs 1 to 255 bytes of two hex digits each, not '0g'", "" },
        { "{" V "\"ipam\":{\"hostname\":\"a_b\"}}", "", CNI_ERR_CONFIG,
          "hostname 'a_b' is no host name", "" },
        { "{" V "\"ipam\":{\"hostname\":\"a..b\"}}", "", CNI_ERR_CONFIG,
          "hostname 'a..b' is no host name", "" },
        { "{" V "\"ipam\":{\"hostname\":\".a\"}}", "", CNI_ERR_CONFIG,
          "hostname '.a' is no host name", "" },
        { "{" V "\"ipam\":{\"hostname\":\"a.\"}}", "", CNI_ERR_CONFIG,
          "hostname 'a.' is no host name", "" },
        { "{" V "\"ipam\":{\"hostname\":\"-a\"}}", "", CNI_ERR_CONFIG,
          "hostname '-a' is no host name", "" },
        { "{" V "\"ipam\":{\"hostname\":\"a-.b\"}}", "", CNI_ERR_CONFIG,
          "hostname 'a-.b' is no host name", "" },
        { "{" V "\"ipam\":{\"hostname\":\"a-\"}}", "", CNI_ERR_CONFIG,
          "hostname 'a-' is no host name", "" },
        { "{" V "\"ipam\":{\"hostname\":\"podName\"}}", "K8S_POD_NAME=a b", CNI_ERR_CONFIG,
          "hostname 'a b' is no host name", "" },
};

START_TEST(a_wrong_configuration_is_refused)
{
        _cleanup_(conf_done) struct conf conf = { 0 };
        struct unit_call call;
        struct err err = { 0 };

        unit_call(&call, bad_rows[_i].config, "eth0", bad_rows[_i].args);
        unit_assert_err(conf_read(&call.call, &conf, &err), &err, bad_rows[_i].code,
                        bad_rows[_i].want);
        ck_assert_str_eq(err.details, bad_rows[_i].details);
        unit_call_done(&call);
}
END_TEST

/* A document with a long text in it, in place of the X. */
static void read_long(const char *before, size_t len, const char *behind, const char *args,
                      struct conf *conf, int *ret_r, struct err *err)
{
        char config[2048], text[1024];
        struct unit_call call;

        memset(text, 'x', len);
        text[len] = '\0';
        (void)snprintf(config, sizeof(config), "{" V "\"ipam\":{%s%s%s}}", before, text, behind);
        unit_call(&call, config, "eth0", args);
        *err = (struct err){ 0 };
        *ret_r = conf_read(&call.call, conf, err);
        unit_call_done(&call);
}

START_TEST(values_have_the_length_of_an_option)
{
        _cleanup_(conf_done) struct conf conf = { 0 }, other = { 0 };
        char want[512], text[300];
        struct err err;
        int r;

        read_long("\"provide\":[{\"option\":\"224\",\"value\":\"", 255, "\"}]", "", &conf, &r,
                  &err);
        unit_assert_ok(r, &err);
        ck_assert_uint_eq(conf.profile.provided[0].len, 255);
        read_long("\"provide\":[{\"option\":\"12\",\"value\":\"", 256, "\"}]", "", &other, &r,
                  &err);
        memset(text, 'x', 256);
        text[256] = '\0';
        (void)snprintf(want, sizeof(want), ALLOCATE "value too long for option \"12\": \"%s\"",
                       text);
        unit_assert_err(r, &err, CNI_ERR_INTERNAL, want);
}
END_TEST

START_TEST(an_argument_that_is_too_long_is_told_with_the_static_value)
{
        _cleanup_(conf_done) struct conf conf = { 0 };
        char args[300] = "A=";
        struct unit_call call;
        struct err err = { 0 };

        memset(args + 2, 'x', 256);
        unit_call(&call,
                  "{" V "\"ipam\":{\"provide\":[{\"option\":\"12\",\"value\":\"box\",\"fromArg\":"
                  "\"A\"}]}}",
                  "eth0", args);
        unit_assert_err(conf_read(&call.call, &conf, &err), &err, CNI_ERR_INTERNAL,
                        ALLOCATE "value too long for option \"12\" from CNI_ARGS \"A\": \"box\"");
        unit_call_done(&call);
}
END_TEST

START_TEST(identifiers_have_their_lengths)
{
        static const struct {
                const char *before;
                size_t len;
                int want; /* length of the identifier, or an error */
        } rows[] = {
                { "text:", 254, 255 },
                { "text:", 255, -EINVAL },
                { "hex:", 0, -EINVAL },
        };
        _cleanup_(conf_done) struct conf hex = { 0 }, longer = { 0 };
        char digits[640];
        struct unit_call call;
        struct err err;

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                _cleanup_(conf_done) struct conf conf = { 0 };
                char before[64];
                int r;

                (void)snprintf(before, sizeof(before), "\"clientID\":\"%s", rows[i].before);
                read_long(before, rows[i].len, "\"", "", &conf, &r, &err);
                ck_assert_int_eq(r < 0 ? r : conf.profile.client_id_len, rows[i].want);
        }
        (void)snprintf(digits, sizeof(digits), "{" V "\"ipam\":{\"clientID\":\"hex:%0510d\"}}", 7);
        unit_call(&call, digits, "eth0", "");
        unit_assert_ok(conf_read(&call.call, &hex, &err), &err);
        ck_assert_uint_eq(hex.profile.client_id_len, 255);
        ck_assert_uint_eq(hex.profile.client_id[254], 7);
        unit_call_done(&call);
        (void)snprintf(digits, sizeof(digits), "{" V "\"ipam\":{\"clientID\":\"hex:%0512d\"}}", 7);
        unit_call(&call, digits, "eth0", "");
        ck_assert_int_eq(conf_read(&call.call, &longer, &err), -EINVAL);
        unit_call_done(&call);
}
END_TEST

START_TEST(the_default_identifier_is_cut_where_upstream_cuts_it)
{
        _cleanup_(conf_done) struct conf conf = { 0 };
        char id[61], name[201], want[300];
        struct unit_call call;
        struct err err;

        memset(id, 'c', 60);
        id[60] = '\0';
        memset(name, 'n', 200);
        name[200] = '\0';
        (void)snprintf(want, sizeof(want), "%s/%s/eth0", id, name);
        unit_call(&call, "{" V "\"ipam\":{}}", "eth0", "");
        call.call.container_id = id;
        call.call.name = name;
        unit_assert_ok(conf_read(&call.call, &conf, &err), &err);
        ck_assert_uint_eq(conf.profile.client_id_len, 255);
        ck_assert_uint_eq(conf.profile.client_id[0], 0);
        ck_assert_mem_eq(conf.profile.client_id + 1, want, 254);
        unit_call_done(&call);
}
END_TEST

START_TEST(host_names_have_their_lengths)
{
        static const struct {
                size_t len;
                const char *behind;
                bool good;
        } rows[] = {
                { 63, "\"", true },
                { 64, "\"", false },
                { 63, ".x\"", true },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                _cleanup_(conf_done) struct conf conf = { 0 };
                struct err err;
                int r;

                read_long("\"hostname\":\"", rows[i].len, rows[i].behind, "", &conf, &r, &err);
                ck_assert_int_eq(r == 0, rows[i].good);
        }
        for (int len = 250; len < 260; len++) {
                _cleanup_(conf_done) struct conf conf = { 0 };
                char config[512], name[300];
                struct unit_call call;
                struct err err;

                for (int i = 0; i < len; i++)
                        name[i] = i % 50 == 49 ? '.' : 'a';
                name[len] = '\0';
                (void)snprintf(config, sizeof(config), "{" V "\"ipam\":{\"hostname\":\"%s\"}}",
                               name);
                unit_call(&call, config, "eth0", "");
                /* It ends with a dot at 250. */
                ck_assert_int_eq(conf_read(&call.call, &conf, &err) == 0, len > 250 && len <= 255);
                unit_call_done(&call);
        }
}
END_TEST

START_TEST(many_options_are_too_many)
{
        _cleanup_(conf_done) struct conf conf = { 0 };
        _cleanup_(buf_done) struct buf config;
        struct unit_call call;
        struct err err = { 0 };

        buf_init(&config, 1U << 20);
        buf_puts(&config, "{" V "\"ipam\":{\"request\":[{}");
        for (unsigned i = 0; i < 4096; i++)
                buf_puts(&config, ",{}");
        buf_puts(&config, "]}}");
        unit_call(&call, buf_text(&config), "eth0", "");
        unit_assert_err(conf_read(&call.call, &conf, &err), &err, CNI_ERR_CONFIG,
                        "more than 4096 options");
        unit_call_done(&call);
}
END_TEST

/* ---- the socket alone ---- */

START_TEST(the_socket_is_read_whatever_the_rest_is)
{
        static const char *const rests[] = {
                "\"provide\":7",
                "\"request\":[{\"option\":\"domain-name\"}]",
                "\"onLeaseLoss\":\"?\",\"dns\":7,\"clientID\":7",
        };

        for (size_t i = 0; i < ARRAY_SIZE(rests); i++) {
                _cleanup_(conf_done) struct conf conf = { 0 };
                char config[256];
                struct unit_call call;
                struct err err = { 0 };

                (void)snprintf(config, sizeof(config),
                               "{" V "\"ipam\":{\"daemonSocketPath\":\"/a\",%s}}", rests[i]);
                unit_call(&call, config, "eth0", "");
                unit_assert_ok(conf_read_socket(&call.call, &conf, &err), &err);
                ck_assert_str_eq(conf.socket, "/a");
                ck_assert_uint_eq(conf.profile.parameter_count, 0);
                unit_call_done(&call);
        }
}
END_TEST

START_TEST(a_missing_ipam_is_named_for_every_verb)
{
        _cleanup_(conf_done) struct conf conf = { 0 };
        struct unit_call call;
        struct err err = { 0 };

        unit_call(&call, "{" V "\"x\":1}", "eth0", "");
        unit_assert_err(conf_read_socket(&call.call, &conf, &err), &err, CNI_ERR_CONFIG,
                        "IPAM config missing 'ipam' key");
        unit_call_done(&call);
}
END_TEST

START_TEST(a_relative_path_is_below_the_working_directory)
{
        _cleanup_(freep) char *path = NULL, *same = NULL;
        char dir[UNIT_PATH_MAX], want[UNIT_PATH_MAX];
        struct err err;

        ck_assert_int_eq(chdir(unit_dir(dir)), 0);
        unit_assert_ok(conf_make_absolute("a/b.sock", &path, &err), &err);
        ck_assert_str_eq(path, unit_path(dir, "a/b.sock", want));
        unit_assert_ok(conf_make_absolute("/a/b.sock", &same, &err), &err);
        ck_assert_str_eq(same, "/a/b.sock");
        ck_assert_int_eq(rmdir(dir), 0);
        unit_assert_err(conf_make_absolute("x", &same, &err), &err, CNI_ERR_IO,
                        "find the working directory for 'x': no such file or directory");
        ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

static void add(TCase *tests)
{
        unit_add_table(tests, a_configuration_is_read, good_rows);
        unit_add_table(tests, a_wrong_configuration_is_refused, bad_rows);
        tcase_add_test(tests, values_have_the_length_of_an_option);
        tcase_add_test(tests, an_argument_that_is_too_long_is_told_with_the_static_value);
        tcase_add_test(tests, identifiers_have_their_lengths);
        tcase_add_test(tests, the_default_identifier_is_cut_where_upstream_cuts_it);
        tcase_add_test(tests, host_names_have_their_lengths);
        tcase_add_test(tests, many_options_are_too_many);
        tcase_add_test(tests, the_socket_is_read_whatever_the_rest_is);
        tcase_add_test(tests, a_missing_ipam_is_named_for_every_verb);
        tcase_add_test(tests, a_relative_path_is_below_the_working_directory);
}

UNIT_MAIN("conf", add)

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One ADD on a directory. Numbers in comments are those of host-local.md, 6.3, and its scenarios.
 */
#include "reservation.h"

#include "hl.h"

static const struct owner owner = { "c1", "eth0" };
static char warnings[4096];

static void warn(const char *text)
{
        size_t len = strlen(warnings);

        (void)snprintf(warnings + len, sizeof(warnings) - len, "%s\n", text);
}

static const struct reservation_log reservation_log = { warn };

/* Writes "10.0.0.1 - ..." as the cursors 0, 1, ...; "-" is none. */
static void write_cursors(const char *dir, const char *words)
{
        char copy[256], *rest = copy, *word, name[64];

        (void)snprintf(copy, sizeof(copy), "%s", words);
        for (int i = 0; (word = strsep(&rest, " ")); i++) {
                (void)snprintf(name, sizeof(name), "last_reserved_ip.%d", i);
                if (*word && *word != '-')
                        unit_write(dir, name, word);
        }
}

/* The cursors in the form of write_cursors(). */
static const char *read_cursors(const char *dir, size_t count, char text[256])
{
        char name[64];
        size_t len = 0;

        text[0] = '\0';
        for (size_t i = 0; i < count; i++) {
                const char *cursor;

                (void)snprintf(name, sizeof(name), "last_reserved_ip.%zu", i);
                cursor = unit_read(dir, name);
                len += (size_t)snprintf(text + len, 256 - len, "%s%s", i > 0 ? " " : "",
                                        cursor ? cursor : "-");
        }
        return text;
}

struct row {
        const char *sets;    /* of ipam.ranges: subnets, '|' between sets, ',' between ranges */
        const char *fill;    /* as hl_fill() takes it */
        const char *cursors; /* as write_cursors() takes them */
        const char *args;    /* requested addresses */
        const char *want;    /* "ADDRESS/PREFIX@GATEWAY ", or the error without what is common */
        const char *after;   /* names afterwards, cursors left out; NULL: not looked at */
};

/* "10.0.0.0/29 START END GATEWAY,10.0.1.0/29|..." as JSON. */
static void put_sets(struct buf *buf, const char *sets)
{
        static const char *const keys[] = { "subnet", "rangeStart", "rangeEnd", "gateway" };
        char copy[1024], *rest = copy, *set;

        (void)snprintf(copy, sizeof(copy), "%s", sets);
        for (int i = 0; (set = strsep(&rest, "|")); i++) {
                char *range;

                buf_puts(buf, i > 0 ? ",[" : "[");
                for (int j = 0; (range = strsep(&set, ",")); j++) {
                        char *word;

                        buf_puts(buf, j > 0 ? ",{" : "{");
                        for (size_t k = 0; (word = strsep(&range, " ")); k++)
                                if (*word != '-')
                                        buf_printf(buf, "%s\"%s\":\"%s\"", k > 0 ? "," : "",
                                                   keys[k], word);
                        buf_putc(buf, '}');
                }
                buf_putc(buf, ']');
        }
}

static void make_conf(struct conf *conf, const char *sets, const char *args)
{
        struct unit_call call;
        struct buf buf;
        struct err err;

        *conf = (struct conf){ 0 };
        buf_init(&buf, 65536);
        buf_puts(&buf, "{\"cniVersion\":\"1.0.0\",\"ipam\":{\"ranges\":[");
        put_sets(&buf, sets);
        buf_puts(&buf, "]},\"args\":{\"cni\":{\"ips\":[");
        if (*args) {
                char copy[256], *rest = copy, *word;

                (void)snprintf(copy, sizeof(copy), "%s", args);
                for (int i = 0; (word = strsep(&rest, " ")); i++)
                        buf_printf(&buf, "%s\"%s\"", i > 0 ? "," : "", word);
        }
        buf_puts(&buf, "]}}}");
        unit_call(&call, buf_text(&buf), "eth0", "");
        unit_assert_ok(conf_read(&call.call, conf, &err), &err);
        unit_call_done(&call);
        buf_done(&buf);
}

/* "ADDRESS/PREFIX@GATEWAY " for each. */
static void describe(const struct ipam_result *result, struct buf *buf)
{
        char text[IPNET_TEXT_MAX];

        for (size_t i = 0; i < result->ip_count; i++) {
                buf_printf(buf, "%s", ipnet_format(&result->ips[i].address, text));
                buf_printf(buf, "@%s ", ip_format(&result->ips[i].gateway, text));
        }
}

/* The names without the cursors. */
static const char *addresses(const char *dir, char text[8192])
{
        (void)snprintf(text, 8192, "%s", hl_names(dir));
        if (strstr(text, "last_reserved_ip"))
                *strstr(text, "last_reserved_ip") = '\0';
        return text;
}

#define S29  "10.0.0.0/29"
#define S30  "10.0.0.0/30"
#define FULL "10.0.0.2=x/e 10.0.0.3=x/e 10.0.0.4=x/e 10.0.0.5=x/e 10.0.0.6=x/e "

static const struct row good_rows[] = {
        /* 4: twelve of them */
        { S29, "", "", "", "10.0.0.2/29@10.0.0.1 ", "10.0.0.2 " },
        { "2001:db8:1::/64", "", "", "", "2001:db8:1::2/64@2001:db8:1::1 ", "2001:db8:1::2 " },
        { S30, "", "", "", "10.0.0.2/30@10.0.0.1 ", NULL },
        { S29, "10.0.0.2=x/e", "", "", "10.0.0.3/29@10.0.0.1 ", "10.0.0.2 10.0.0.3 " },
        { S29, "", "10.0.0.5", "", "10.0.0.6/29@10.0.0.1 ", NULL },
        { S29, "10.0.0.4=x/e 10.0.0.5=x/e", "10.0.0.3", "", "10.0.0.6/29@10.0.0.1 ", NULL },
        { S29, "10.0.0.6=x/e", "10.0.0.5", "", "10.0.0.2/29@10.0.0.1 ", NULL },
        { S29, "10.0.0.2=x/e", "10.0.0.128", "", "10.0.0.3/29@10.0.0.1 ", NULL },
        { S29, "10.0.0.2=x/e 10.0.0.4=x/e 10.0.0.5=x/e 10.0.0.6=x/e", "10.0.0.3", "",
          "10.0.0.3/29@10.0.0.1 ", NULL },
        { S30 ",10.0.1.0/30", "", "", "", "10.0.0.2/30@10.0.0.1 ", NULL },
        { S30 ",10.0.1.0/30", "10.0.0.2=x/e", "10.0.0.2", "", "10.0.1.2/30@10.0.1.1 ", NULL },
        { S30 ",10.0.1.0/30,10.0.2.0/30", "10.0.0.3=x/e 10.0.1.2=x/e 10.0.2.2=x/e", "10.0.2.2", "",
          "10.0.0.2/30@10.0.0.1 ", NULL },
        { S29, "", "10.0.0.2", "", "10.0.0.3/29@10.0.0.1 ", NULL }, /* 6 */
        { S29, "", "10.0.0.2\n", "", "10.0.0.2/29@10.0.0.1 ", NULL },
        { S29, "", "", "10.0.0.5", "10.0.0.5/29@10.0.0.1 ", "10.0.0.5 " }, /* 7 */
        /* several sets, in their order; requests go to the first set that has them */
        { S29 "|2001:db8::/64", "", "10.0.0.4 2001:db8::7", "",
          "10.0.0.5/29@10.0.0.1 2001:db8::8/64@2001:db8::1 ", "10.0.0.5 2001:db8::8 " },
        { S29 "|10.1.0.0/24|10.2.0.0/24", "", "", "10.2.0.9 10.0.0.3",
          "10.0.0.3/29@10.0.0.1 10.1.0.2/24@10.1.0.1 10.2.0.9/24@10.2.0.1 ", NULL },
        /* mask and gateway are those of the range */
        { "10.0.0.0/29 - - 10.0.0.6,10.1.0.0/16", "", "", "10.1.2.3", "10.1.2.3/16@10.1.0.1 ",
          NULL },
        /* what the owner has elsewhere, or another interface of it has, is no duplicate */
        { S29, "10.9.0.2=c1/eth0 10.0.0.2=c1/eth1 10.0.0.3=c11/eth0 10.0.0.4=c11", "", "",
          "10.0.0.5/29@10.0.0.1 ", NULL },
        /* no duplicate check for a requested address */
        { S29, "10.0.0.2=c1/eth0", "", "10.0.0.5", "10.0.0.5/29@10.0.0.1 ", "10.0.0.2 10.0.0.5 " },
        /* a requested address that nobody holds */
        { S29, "10.0.0.5", "", "10.0.0.5", "10.0.0.5/29@10.0.0.1 ", "10.0.0.5 " },
        /* the gateway of a sibling or of another set is an address like any other */
        { "10.0.0.0/30 - - 10.0.1.2,10.0.1.0/30", "10.0.0.1=x/e 10.0.0.2=x/e", "", "",
          "10.0.1.2/30@10.0.1.1 ", NULL },
        { "10.0.0.0/24 - - 10.0.1.5,10.0.1.0/24", "", "", "10.0.1.5", "10.0.1.5/24@10.0.1.1 ",
          NULL },
        { "10.0.0.0/24 - - 10.0.1.5|10.0.1.0/24", "", "", "10.0.1.5",
          "10.0.0.1/24@10.0.1.5 10.0.1.5/24@10.0.1.1 ", NULL },
        { "10.0.0.0/24 - - 10.9.9.9", "", "", "10.0.0.1", "10.0.0.1/24@10.9.9.9 ", NULL },
        /* the network's and the broadcast address when they are asked for; IPv6's last one */
        { "10.0.0.0/30 10.0.0.0 10.0.0.3", "", "10.0.0.2", "", "10.0.0.3/30@10.0.0.1 ", NULL },
        { "10.0.0.0/30 10.0.0.0 10.0.0.3", "", "10.0.0.3", "", "10.0.0.0/30@10.0.0.1 ", NULL },
        { "2001:db8::/126", "2001:db8::2=x/e", "", "", "2001:db8::3/126@2001:db8::1 ", NULL },
        /* cursors that are none */
        { S29, "", "2001:db8::5", "", "10.0.0.2/29@10.0.0.1 ", NULL },
        { S29, "", "10.0.0.1", "", "10.0.0.2/29@10.0.0.1 ", NULL },
        { S29, "", "10.0.0.6", "", "10.0.0.2/29@10.0.0.1 ", NULL },
        /* empty files are used when there is nothing else, in order: S20 */
        { S29, "10.0.0.2", "", "", "10.0.0.3/29@10.0.0.1 ", "10.0.0.2 10.0.0.3 " },
        { S29, "10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6", "10.0.0.3", "",
          "10.0.0.4/29@10.0.0.1 ", NULL },
        { S30, "10.0.0.2", "", "", "10.0.0.2/30@10.0.0.1 ", "10.0.0.2 " },
        { S30 ",10.0.1.0/30", "10.0.0.2=x/e 10.0.1.2", "10.0.0.2", "", "10.0.1.2/30@10.0.1.1 ",
          NULL },
};

/* What needs tags of another boot: '*'. */
static const struct row stale_rows[] = {
        /* left alone while there is something free */
        { S29, "*10.0.0.2=x/e", "", "", "10.0.0.3/29@10.0.0.1 ", "10.0.0.2 10.0.0.3 " },
        { S30, "*10.0.0.2=x/e", "", "", "10.0.0.2/30@10.0.0.1 ", "10.0.0.2 " },
        { S29, FULL "*10.0.0.4=x/e *10.0.0.3=x/e", "10.0.0.3", "", "10.0.0.4/29@10.0.0.1 ", NULL },
        /* asked for by name */
        { S29, "*10.0.0.5=x/e", "", "10.0.0.5", "10.0.0.5/29@10.0.0.1 ", NULL },
        /* the owner's own: granted again, whatever is free and wherever the cursor is */
        { S29, "*10.0.0.5=c1/eth0", "10.0.0.3", "", "10.0.0.5/29@10.0.0.1 ", "10.0.0.5 " },
        { S29, "*10.0.0.5=c1", "10.0.0.3", "", "10.0.0.5/29@10.0.0.1 ", "10.0.0.5 " },
        { "10.0.0.0/28", "*10.0.0.9=c1/eth0 *10.0.0.10=c1/eth0", "", "", "10.0.0.10/28@10.0.0.1 ",
          "10.0.0.10 10.0.0.9 " },
        /* of one set while the other gives any */
        { "10.0.0.0/29|10.1.0.0/24", "*10.1.0.9=c1/eth0", "", "",
          "10.0.0.2/29@10.0.0.1 10.1.0.9/24@10.1.0.1 ", NULL },
        /* not when another one is asked for, of another interface, or outside of the set */
        { S29, "*10.0.0.5=c1/eth0", "", "10.0.0.4", "10.0.0.4/29@10.0.0.1 ", "10.0.0.4 10.0.0.5 " },
        { S29, "*10.0.0.5=c1/eth1", "", "", "10.0.0.2/29@10.0.0.1 ", "10.0.0.2 10.0.0.5 " },
        { S29 " - 10.0.0.4", "*10.0.0.5=c1/eth0", "", "", "10.0.0.2/29@10.0.0.1 ", NULL },
        /* but not the gateway */
        { S29, "*10.0.0.1=c1/eth0", "", "", "10.0.0.2/29@10.0.0.1 ", NULL },
};

#define RANGE0 "failed to allocate for range 0: "
#define RANGE1 "failed to allocate for range 1: "

static const struct row bad_rows[] = {
        /* 5, 11, S12 */
        { S29, FULL, "10.0.0.4", "",
          RANGE0 "no IP addresses available in range set: 10.0.0.1-10.0.0.6", NULL },
        { S30, "10.0.0.2=x/e", "", "",
          RANGE0 "no IP addresses available in range set: 10.0.0.1-10.0.0.2", NULL },
        { S30 ",10.0.1.0/30", "10.0.0.2=x/e 10.0.1.2=x", "", "",
          RANGE0 "no IP addresses available in range set: 10.0.0.1-10.0.0.2,10.0.1.1-10.0.1.2",
          NULL },
        { "10.0.0.0/30 10.0.0.1 10.0.0.1", "", "", "",
          RANGE0 "no IP addresses available in range set: 10.0.0.1-10.0.0.1", NULL },
        /* 8: also when it is the owner's own */
        { S29, "10.0.0.5=x/e", "", "10.0.0.5",
          RANGE0 "requested IP address 10.0.0.5 is not available in range set 10.0.0.1-10.0.0.6",
          NULL },
        { S29, "10.0.0.5=c1/eth0", "", "10.0.0.5",
          RANGE0 "requested IP address 10.0.0.5 is not available in range set 10.0.0.1-10.0.0.6",
          NULL },
        /* 9, 10, S10 */
        { S29 " - 10.0.0.4", "", "", "10.0.0.5", "failed to allocate all requested IPs: 10.0.0.5",
          NULL },
        { S29 " 10.0.0.3", "", "", "10.0.0.2", "failed to allocate all requested IPs: 10.0.0.2",
          NULL },
        { S29, "", "", "10.0.0.0", "failed to allocate all requested IPs: 10.0.0.0", NULL },
        { S29, "", "10.0.0.4", "10.9.9.9 10.0.0.2 2001:db8::1",
          "failed to allocate all requested IPs: 10.9.9.9 2001:db8::1", NULL },
        /* of several for one set the first one is taken */
        { S29, "", "10.0.0.3", "10.0.0.5 10.0.0.4",
          "failed to allocate all requested IPs: 10.0.0.4", NULL },
        { S29 "|10.1.0.0/24", "", "", "10.1.0.4 10.0.0.5 10.1.0.3",
          "failed to allocate all requested IPs: 10.1.0.3", NULL },
        /* S11 */
        { S29, "", "", "10.0.0.1", RANGE0 "requested ip 10.0.0.1 is subnet's gateway", NULL },
        { S29 "|10.1.0.0/24", "", "", "10.9.9.9 10.1.0.1",
          RANGE1 "requested ip 10.1.0.1 is subnet's gateway", NULL },
        /* S2, S22 */
        { S29, "10.0.0.2=c1/eth0", "10.0.0.2", "",
          RANGE0 "10.0.0.2 has been allocated to c1, duplicate allocation is not allowed", NULL },
        { S29, "10.0.0.3=c1", "", "",
          RANGE0 "10.0.0.3 has been allocated to c1, duplicate allocation is not allowed", NULL },
        /* the first one in the order of names */
        { "10.0.0.0/24", "10.0.0.9=c1/eth0 10.0.0.10=c1/eth0 10.0.0.11=c1/eth0", "", "",
          RANGE0 "10.0.0.10 has been allocated to c1, duplicate allocation is not allowed", NULL },
        { "10.0.0.0/24", "10.0.0.30=c1/eth0 10.0.0.4=c1 10.0.0.200=c1/eth0", "", "",
          RANGE0 "10.0.0.200 has been allocated to c1, duplicate allocation is not allowed", NULL },
        { S29, "10.0.0.1=c1/eth0", "", "", /* the gateway's own file */
          RANGE0 "10.0.0.1 has been allocated to c1, duplicate allocation is not allowed", NULL },
        { S29 "|10.1.0.0/24", "10.1.0.7=c1/eth0", "10.0.0.3", "",
          RANGE1 "10.1.0.7 has been allocated to c1, duplicate allocation is not allowed", NULL },
        { "2001:db8::/126", "2001:db8::2=x/e 2001:db8::3=x/e", "", "",
          RANGE0 "no IP addresses available in range set: 2001:db8::1-2001:db8::3", NULL },
        /* S13: the first set's address is taken back */
        { "10.1.2.0/24|10.2.2.0/30", "10.1.2.2=x/e 10.2.2.2=x/e", "10.1.2.2 10.2.2.2", "",
          RANGE1 "no IP addresses available in range set: 10.2.2.1-10.2.2.2", NULL },
        /* S23: and nothing that was the owner's before */
        { "10.1.2.0/24|10.2.2.0/24", "10.1.2.2=c1/eth0 10.2.2.2=c1/eth0", "10.1.2.2 10.2.2.2",
          "10.1.2.99",
          RANGE1 "10.2.2.2 has been allocated to c1, duplicate allocation is not allowed", NULL },
        { "10.1.2.0/24|10.2.2.0/24", "10.2.2.9=x/e", "- 10.2.2.2", "10.2.2.9",
          RANGE1 "requested IP address 10.2.2.9 is not available in range set 10.2.2.1-10.2.2.254",
          NULL },
        /* an empty file that was reused before the failure is free afterwards */
        { "10.0.0.0/30|10.2.2.0/30", "10.0.0.2 10.2.2.2=x/e", "", "",
          RANGE1 "no IP addresses available in range set: 10.2.2.1-10.2.2.2", "10.2.2.2 " },
};

/* The owner has each address of the result, and each cursor points to it. */
static void assert_reserved(const char *dir, const struct ipam_result *result)
{
        char text[IP_TEXT_MAX], name[64];

        for (size_t i = 0; i < result->ip_count; i++) {
                ip_format(&result->ips[i].address.ip, text);
                ck_assert_pstr_eq(unit_read(dir, text), "c1\r\neth0");
                (void)snprintf(name, sizeof(name), "last_reserved_ip.%zu", i);
                ck_assert_pstr_eq(unit_read(dir, name), text);
        }
}

static void try_good(const struct row *row)
{
        struct ipam_result result = { 0 };
        char dir[UNIT_PATH_MAX], text[8192];
        struct store store = STORE_CLOSED;
        struct conf conf;
        struct buf buf;
        struct err err;

        make_conf(&conf, row->sets, row->args);
        hl_open(&store, unit_dir(dir), 0);
        hl_fill(dir, row->fill);
        write_cursors(dir, row->cursors);
        unit_assert_ok(reservation_make(&store, &conf, &owner, &reservation_log, &result, &err),
                       &err);
        buf_init(&buf, 4000);
        describe(&result, &buf);
        ck_assert_str_eq(buf_text(&buf), row->want);
        if (row->after)
                ck_assert_str_eq(addresses(dir, text), row->after);
        assert_reserved(dir, &result);
        buf_done(&buf);
        store_close(&store);
        result_done(&result);
        conf_done(&conf);
}

START_TEST(an_address_of_each_set_is_reserved)
{
        try_good(&good_rows[_i]);
}
END_TEST

START_TEST(what_an_earlier_boot_left_is_used_with_care)
{
        try_good(&stale_rows[_i]);
}
END_TEST

START_TEST(a_failure_leaves_things_as_they_were)
{
        const struct row *row = &bad_rows[_i];
        struct ipam_result result = { 0 };
        char dir[UNIT_PATH_MAX], before[8192], after[8192], cursors[2][256];
        struct store store = STORE_CLOSED;
        struct conf conf;
        struct err err;

        make_conf(&conf, row->sets, row->args);
        hl_open(&store, unit_dir(dir), 0);
        hl_fill(dir, row->fill);
        write_cursors(dir, row->cursors);
        addresses(dir, before);
        read_cursors(dir, conf.sets.count, cursors[0]);
        unit_assert_err(reservation_make(&store, &conf, &owner, &reservation_log, &result, &err),
                        &err, CNI_ERR_INTERNAL, row->want);
        ck_assert_str_eq(addresses(dir, after), row->after ? row->after : before);
        ck_assert_str_eq(read_cursors(dir, conf.sets.count, cursors[1]), cursors[0]);
        store_close(&store);
        result_done(&result);
        conf_done(&conf);
}
END_TEST

/* Calls ADD for container c<number> on the open store; the address it gets, "" when it fails. */
static const char *add(struct store *store, const struct conf *conf, int number, char text[64])
{
        struct ipam_result result = { 0 };
        char id[16];
        const struct owner who = { id, "eth0" };
        struct err err;

        (void)snprintf(id, sizeof(id), "c%d", number);
        text[0] = '\0';
        if (reservation_make(store, conf, &who, &reservation_log, &result, &err) == 0)
                ipnet_format(&result.ips[0].address, text);
        result_done(&result);
        return text;
}

START_TEST(addresses_are_given_round_robin_to_the_last) /* 5, 6, and the example of 3.3 */
{
        char dir[UNIT_PATH_MAX], text[64];
        struct store store = STORE_CLOSED;
        struct ip ip;
        struct conf conf;
        struct err err;

        make_conf(&conf, "10.0.0.0/29 10.0.0.3 10.0.0.4,10.0.1.0/29 10.0.1.1 10.0.1.3 10.0.1.2",
                  "");
        hl_open(&store, unit_dir(dir), 0);
        ck_assert_str_eq(add(&store, &conf, 1, text), "10.0.0.3/29");
        ck_assert_str_eq(add(&store, &conf, 2, text), "10.0.0.4/29");
        ck_assert_str_eq(add(&store, &conf, 3, text), "10.0.1.1/29");
        ck_assert_str_eq(add(&store, &conf, 4, text), "10.0.1.3/29");
        ck_assert_str_eq(add(&store, &conf, 5, text), "");
        ip = hl_ip("10.0.0.4");
        unit_assert_ok(store_remove(&store, &ip, NULL, &err), &err);
        ip = hl_ip("10.0.0.3");
        unit_assert_ok(store_remove(&store, &ip, NULL, &err), &err);
        ck_assert_str_eq(add(&store, &conf, 6, text), "10.0.0.3/29");
        ck_assert_str_eq(add(&store, &conf, 7, text), "10.0.0.4/29");
        store_close(&store);
        conf_done(&conf);
}
END_TEST

/* More taken addresses than are tried one by one. */
START_TEST(a_crowded_range_is_searched_in_a_listing)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX], name[32], text[64];
        struct store store = STORE_CLOSED;
        struct conf conf;

        make_conf(&conf, "10.0.0.0/24", "");
        hl_open(&store, unit_dir(dir), 0);
        for (int i = 2; i < 255; i++) {
                (void)snprintf(name, sizeof(name), "10.0.0.%d", i);
                if (i != 200)
                        unit_write(dir, name, "x\r\ne");
        }
        ck_assert_str_eq(add(&store, &conf, 1, text), "10.0.0.200/24");
        ck_assert_str_eq(add(&store, &conf, 2, text), "");
        ck_assert_int_eq(unlink(unit_path(dir, "10.0.0.100", path)), 0);
        ck_assert_int_eq(mkdir(path, 0755), 0); /* a name that is taken all the same */
        ck_assert_str_eq(add(&store, &conf, 3, text), "");
        unit_write(dir, "10.0.0.150", "");
        ck_assert_str_eq(add(&store, &conf, 4, text), "10.0.0.150/24");
        store_close(&store);
        conf_done(&conf);
}
END_TEST

START_TEST(debris_is_cleared_away_on_the_way)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX], text[64], names[8192];
        struct store store = STORE_CLOSED;
        struct conf conf;

        make_conf(&conf, "10.0.0.0/24", "");
        hl_open(&store, unit_dir(dir), 0);
        hl_fill(dir, "10.0.0.2 10.0.0.7 10.9.0.9");
        ck_assert_int_eq(mkdir(unit_path(dir, "10.0.0.8", path), 0755), 0);
        store.now_s += 5;
        ck_assert_str_eq(add(&store, &conf, 1, text), "10.0.0.3/24");
        store.now_s += 15;
        ck_assert_str_eq(add(&store, &conf, 2, text), "10.0.0.4/24");
        ck_assert_str_eq(addresses(dir, names), "10.0.0.3 10.0.0.4 10.0.0.8 ");
        store_close(&store);
        conf_done(&conf);
}
END_TEST

/* ---- cursors that are no good ---- */

START_TEST(a_cursor_that_is_a_directory_fails_and_leaves_nothing)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX], want[UNIT_PATH_MAX + 128], text[8192];
        char name[32];
        struct ipam_result result = { 0 };
        struct store store = STORE_CLOSED;
        struct conf conf;
        struct err err;
        int r;

        make_conf(&conf, S29 "|10.1.0.0/24|10.2.0.0/24", "");
        hl_open(&store, unit_dir(dir), 0);
        write_cursors(dir, "10.0.0.4");
        (void)snprintf(name, sizeof(name), "last_reserved_ip.%d", _i + 1);
        ck_assert_int_eq(mkdir(unit_path(dir, name, path), 0755), 0);
        warnings[0] = '\0';
        r = reservation_make(&store, &conf, &owner, &reservation_log, &result, &err);
        (void)snprintf(want, sizeof(want),
                       "failed to allocate for range %d: open %s: is a directory", _i + 1, path);
        unit_assert_err(r, &err, CNI_ERR_IO, want);
        (void)snprintf(want, sizeof(want),
                       "Error retrieving last reserved ip: read %s: is a directory\n", path);
        ck_assert_str_eq(warnings, want);
        ck_assert_str_eq(addresses(dir, text), "");
        ck_assert_str_eq(unit_read(dir, "last_reserved_ip.0"), "10.0.0.4");
        ck_assert(_i == 0 || !unit_exists(dir, "last_reserved_ip.1"));
        store_close(&store);
        result_done(&result);
        conf_done(&conf);
}
END_TEST

/* What a cursor was, and what it is behind an ADD whose second cursor cannot be written. */
static const struct {
        const char *before, *after; /* "" for none */
} restored_rows[] = {
        { "", "" },
        { "10.0.0.4", "10.0.0.4" },
        { "10.9.9.9", "10.9.9.9" },
        { "2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6" }, /* longer than the new one */
        { "junk", "" },                                     /* of no use, and not kept */
};

START_TEST(the_cursors_before_it_are_restored)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX], text[64];
        struct store store = STORE_CLOSED;
        struct conf conf;

        make_conf(&conf, S29 "|10.1.0.0/24", "");
        hl_open(&store, unit_dir(dir), 0);
        write_cursors(dir, restored_rows[_i].before);
        ck_assert_int_eq(mkdir(unit_path(dir, "last_reserved_ip.1", path), 0755), 0);
        ck_assert_str_eq(add(&store, &conf, 1, text), "");
        ck_assert_int_eq(unit_exists(dir, "last_reserved_ip.0"), *restored_rows[_i].after != '\0');
        if (*restored_rows[_i].after)
                ck_assert_pstr_eq(unit_read(dir, "last_reserved_ip.0"), restored_rows[_i].after);
        store_close(&store);
        conf_done(&conf);
}
END_TEST

/* 64 addresses are tried before the listing: just before, at, and behind that number. */
static const struct {
        size_t count; /* taken, from 10.0.0.2 on */
        const char *want;
} edge_rows[] = { { 63, "10.0.0.65/23" },
                  { 64, "10.0.0.66/23" },
                  { 65, "10.0.0.67/23" },
                  { 200, "10.0.0.202/23" } };

START_TEST(the_first_free_address_is_found_with_and_without_a_listing)
{
        const struct owner other = { "x", "e" };
        char dir[UNIT_PATH_MAX], text[64];
        struct store store = STORE_CLOSED;
        struct ip ip = hl_ip("10.0.0.2");
        struct conf conf;
        struct err err;

        make_conf(&conf, "10.0.0.0/23", "");
        hl_open(&store, unit_dir(dir), 0);
        for (size_t i = 0; i < edge_rows[_i].count; i++, ip = ip_next(ip))
                unit_assert_ok(store_create(&store, &ip, &other, &err), &err);
        write_cursors(dir, "10.0.0.1");
        ck_assert_str_eq(add(&store, &conf, 1, text), edge_rows[_i].want);
        store_close(&store);
        conf_done(&conf);
}
END_TEST

START_TEST(a_directory_that_is_gone_fails_the_call)
{
        char base[UNIT_PATH_MAX], dir[UNIT_PATH_MAX], text[64];
        struct store store = STORE_CLOSED;
        struct ipam_result result = { 0 };
        struct conf conf;
        struct err err;

        make_conf(&conf, S29, "10.0.0.5");
        unit_path(unit_dir(base), "n", dir);
        hl_open(&store, dir, STORE_CREATE);
        unit_remove_tree(dir);
        ck_assert_int_eq(reservation_make(&store, &conf, &owner, &reservation_log, &result, &err),
                         -ENOENT);
        ck_assert_int_eq(err.code, CNI_ERR_IO);
        conf_done(&conf);
        make_conf(&conf, S29, "");
        ck_assert_str_eq(add(&store, &conf, 1, text), "");
        store_close(&store);
        conf_done(&conf);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, an_address_of_each_set_is_reserved, good_rows);
        if (unit_has_tags("what_an_earlier_boot_left_is_used_with_care"))
                unit_add_table(tests, what_an_earlier_boot_left_is_used_with_care, stale_rows);
        unit_add_table(tests, a_failure_leaves_things_as_they_were, bad_rows);
        tcase_add_test(tests, addresses_are_given_round_robin_to_the_last);
        tcase_add_test(tests, a_crowded_range_is_searched_in_a_listing);
        tcase_add_test(tests, debris_is_cleared_away_on_the_way);
        tcase_add_loop_test(tests, a_cursor_that_is_a_directory_fails_and_leaves_nothing, 0, 2);
        unit_add_table(tests, the_cursors_before_it_are_restored, restored_rows);
        unit_add_table(tests, the_first_free_address_is_found_with_and_without_a_listing,
                       edge_rows);
        tcase_add_test(tests, a_directory_that_is_gone_fails_the_call);
}

UNIT_MAIN("reservation", add_tests)

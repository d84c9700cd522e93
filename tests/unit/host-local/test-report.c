/* SPDX-License-Identifier: Apache-2.0 */
/* What is printed for people and for programs, to the byte. */
#include "report.h"

#include <sys/xattr.h>

#include "unit.h"

#define OTHER_BOOT "00000000-1111-2222-3333-444444444444"

/* ---- making reports ---- */

/* An entry by its texts. */
struct texts {
        const char *ip, *container_id, *ifname;
        enum entry_state state;
        time_t since;
};

static void add_entry(struct entry_list *list, const struct texts *texts)
{
        struct store_entry entry = { .owner = { texts->container_id, texts->ifname },
                                     .state = texts->state,
                                     .mtime.tv_sec = texts->since };
        struct err err;
        int r;

        ck_assert_int_eq(ip_parse(texts->ip, &entry.ip), 0);
        r = entry_list_add(&entry, list, &err);
        unit_assert_ok(r, &err);
}

/* Appends a network with the entries, the cursors of sets 0, 1 ... having blanks between them. */
static void add_report(struct report_list *list, const char *name, const struct texts *entries,
                       size_t count, const char *cursors)
{
        struct report *report;

        list->items = realloc(list->items, (list->count + 1) * sizeof(*list->items));
        report = &list->items[list->count++];
        *report = (struct report){ .name = strdup(name),
                                   .cursors = calloc(8, sizeof(*report->cursors)) };
        report->names = calloc(count + 1, sizeof(*report->names));
        for (size_t i = 0; i < count; i++) {
                add_entry(&report->entries, &entries[i]);
                report->names[report->name_count++] = report->entries.items[i].ip;
        }
        for (const char *p = cursors; *p; p += strspn(p, " ")) {
                size_t len = strcspn(p, " "), set = report->cursor_count++;
                char text[64];

                (void)snprintf(text, sizeof(text), "%.*s", (int)len, p);
                report->cursors[set].set = set;
                ck_assert_int_eq(ip_parse(text, &report->cursors[set].ip), 0);
                p += len;
        }
}

static const struct texts mixed[] = {
        { "10.1.2.9", "c1", "eth0", ENTRY_HELD, 0 },
        { "10.1.2.10", "container-two", "net1", ENTRY_STALE, 1600000000 },
        { "10.1.2.11", "old", "", ENTRY_HELD, 1700000000 },
        { "10.1.2.12", "", "", ENTRY_EMPTY, 1700000001 },
        { "10.1.2.13", "", "", ENTRY_UNREADABLE, 0 },
        { "2001:db8::1", "c1", "eth0", ENTRY_HELD, 4102444800 },
};

/* Two networks and an empty one. */
static void make_reports(struct report_list *list)
{
        static const struct texts one = { "192.0.2.7", "c1", "eth0", ENTRY_HELD, 1700000000 };

        *list = (struct report_list){ 0 };
        add_report(list, "a-network", mixed, ARRAY_SIZE(mixed), "10.1.2.10 2001:db8::1");
        add_report(list, "b", &one, 1, "");
        add_report(list, "empty", NULL, 0, "10.0.0.1");
}

/* ---- sets ---- */

#define RANGES_MAX 3

/* One set on the stack. */
struct stack_set {
        struct range ranges[RANGES_MAX];
        struct range_set set;
};

static void set_of(struct stack_set *ret, const char *const texts[RANGES_MAX])
{
        enum range_member member;
        struct err err;
        size_t range;
        int r;

        *ret = (struct stack_set){ .set.ranges = ret->ranges };
        while (ret->set.count < RANGES_MAX && texts[ret->set.count]) {
                ck_assert_int_eq(
                        ipnet_parse(texts[ret->set.count], &ret->ranges[ret->set.count].subnet), 0);
                ret->set.count++;
        }
        r = range_set_canonicalize(&ret->set, &range, &member, &err);
        unit_assert_ok(r, &err);
}

/* The two sets that the status tests use. */
struct two_sets {
        struct stack_set v4, v6;
        struct range_set sets[2];
        struct range_set_list list;
};

static void make_sets(struct two_sets *ret)
{
        set_of(&ret->v4, (const char *const[RANGES_MAX]){ "10.1.2.0/24", "10.1.3.0/30" });
        set_of(&ret->v6, (const char *const[RANGES_MAX]){ "2001:db8::/32" });
        ret->sets[0] = ret->v4.set;
        ret->sets[1] = ret->v6.set;
        ret->list = (struct range_set_list){ ret->sets, 2 };
}

/* ---- list ---- */

START_TEST(the_list_as_json)
{
        static const char wanted[] = "{\n"
                                     "    \"version\": 1,\n"
                                     "    \"networks\": [\n"
                                     "        {\n"
                                     "            \"name\": \"a-network\",\n"
                                     "            \"addresses\": [\n"
                                     "                {\n"
                                     "                    \"address\": \"10.1.2.9\",\n"
                                     "                    \"containerID\": \"c1\",\n"
                                     "                    \"ifname\": \"eth0\",\n"
                                     "                    \"since\": \"1970-01-01T00:00:00Z\",\n"
                                     "                    \"state\": \"held\"\n"
                                     "                },\n"
                                     "                {\n"
                                     "                    \"address\": \"10.1.2.10\",\n"
                                     "                    \"containerID\": \"container-two\",\n"
                                     "                    \"ifname\": \"net1\",\n"
                                     "                    \"since\": \"2020-09-13T12:26:40Z\",\n"
                                     "                    \"state\": \"stale\"\n"
                                     "                },\n"
                                     "                {\n"
                                     "                    \"address\": \"10.1.2.11\",\n"
                                     "                    \"containerID\": \"old\",\n"
                                     "                    \"since\": \"2023-11-14T22:13:20Z\",\n"
                                     "                    \"state\": \"held\"\n"
                                     "                },\n"
                                     "                {\n"
                                     "                    \"address\": \"10.1.2.12\",\n"
                                     "                    \"since\": \"2023-11-14T22:13:21Z\",\n"
                                     "                    \"state\": \"empty\"\n"
                                     "                },\n"
                                     "                {\n"
                                     "                    \"address\": \"10.1.2.13\",\n"
                                     "                    \"state\": \"unreadable\"\n"
                                     "                },\n"
                                     "                {\n"
                                     "                    \"address\": \"2001:db8::1\",\n"
                                     "                    \"containerID\": \"c1\",\n"
                                     "                    \"ifname\": \"eth0\",\n"
                                     "                    \"since\": \"2100-01-01T00:00:00Z\",\n"
                                     "                    \"state\": \"held\"\n"
                                     "                }\n"
                                     "            ]\n"
                                     "        },\n"
                                     "        {\n"
                                     "            \"name\": \"b\",\n"
                                     "            \"addresses\": [\n"
                                     "                {\n"
                                     "                    \"address\": \"192.0.2.7\",\n"
                                     "                    \"containerID\": \"c1\",\n"
                                     "                    \"ifname\": \"eth0\",\n"
                                     "                    \"since\": \"2023-11-14T22:13:20Z\",\n"
                                     "                    \"state\": \"held\"\n"
                                     "                }\n"
                                     "            ]\n"
                                     "        },\n"
                                     "        {\n"
                                     "            \"name\": \"empty\",\n"
                                     "            \"addresses\": []\n"
                                     "        }\n"
                                     "    ]\n"
                                     "}\n";
        _cleanup_(report_list_done) struct report_list list;
        _cleanup_(buf_done) struct buf out;

        make_reports(&list);
        buf_init(&out, 65536);
        report_list_json(&list, &out);
        ck_assert_str_eq(buf_text(&out), wanted);
}
END_TEST

START_TEST(the_list_as_a_table)
{
        static const char wanted[] =
                "NETWORK    ADDRESS      CONTAINER      IFNAME  SINCE                 STATE\n"
                "a-network  10.1.2.9     c1             eth0    1970-01-01T00:00:00Z  held\n"
                "a-network  10.1.2.10    container-two  net1    2020-09-13T12:26:40Z  stale\n"
                "a-network  10.1.2.11    old                    2023-11-14T22:13:20Z  held\n"
                "a-network  10.1.2.12                           2023-11-14T22:13:21Z  empty\n"
                "a-network  10.1.2.13                                                 unreadable\n"
                "a-network  2001:db8::1  c1             eth0    2100-01-01T00:00:00Z  held\n"
                "b          192.0.2.7    c1             eth0    2023-11-14T22:13:20Z  held\n"
                "7 addresses in 3 networks\n";
        _cleanup_(report_list_done) struct report_list list;
        _cleanup_(buf_done) struct buf out;
        struct err err;
        int r;

        make_reports(&list);
        buf_init(&out, 65536);
        r = report_list_table(&list, &out, &err);
        unit_assert_ok(r, &err);
        ck_assert_str_eq(buf_text(&out), wanted);
}
END_TEST

static const struct {
        size_t networks, addresses; /* addresses of each */
        const char *total;          /* the last line */
} totals[] = {
        { 0, 0, "0 addresses in 0 networks\n" }, { 1, 0, "0 addresses in 1 network\n" },
        { 1, 1, "1 address in 1 network\n" },    { 1, 2, "2 addresses in 1 network\n" },
        { 2, 1, "2 addresses in 2 networks\n" },
};

START_TEST(the_total_is_the_last_line)
{
        _cleanup_(report_list_done) struct report_list list = { 0 };
        _cleanup_(buf_done) struct buf out;
        const char *last;
        struct err err;
        int r;

        for (size_t i = 0; i < totals[_i].networks; i++)
                add_report(&list, "net", mixed, totals[_i].addresses, "");
        buf_init(&out, 65536);
        r = report_list_table(&list, &out, &err);
        unit_assert_ok(r, &err);
        last = buf_text(&out) + out.len - strlen(totals[_i].total);
        ck_assert_str_eq(last, totals[_i].total);
        if (totals[_i].addresses == 0) /* no table without addresses */
                ck_assert_ptr_eq(last, buf_text(&out));
}
END_TEST

START_TEST(no_networks_as_json)
{
        static const struct report_list none;
        static const struct range_set_list no_sets;
        _cleanup_(buf_done) struct buf out;

        buf_init(&out, 65536);
        report_list_json(&none, &out);
        report_status_json(&none, &no_sets, &out);
        ck_assert_str_eq(buf_text(&out), "{\n    \"version\": 1,\n    \"networks\": []\n}\n"
                                         "{\n    \"version\": 1,\n    \"networks\": []\n}\n");
}
END_TEST

/* A file may hold anything: it must not reach a terminal as a command, nor break the JSON. */
START_TEST(odd_owners_are_made_harmless)
{
        static const struct texts odd = { "10.0.0.1", "c\x1b[31m\n\xff", "\"<e>\\", ENTRY_HELD, 0 };
        static const char json[] =
                "{\n    \"version\": 1,\n    \"networks\": [\n        {\n"
                "            \"name\": \"n\",\n            \"addresses\": [\n                {\n"
                "                    \"address\": \"10.0.0.1\",\n"
                "                    \"containerID\": \"c\\u001b[31m\\n\\ufffd\",\n"
                "                    \"ifname\": \"\\\"\\u003ce\\u003e\\\\\",\n"
                "                    \"since\": \"1970-01-01T00:00:00Z\",\n"
                "                    \"state\": \"held\"\n                }\n            ]\n"
                "        }\n    ]\n}\n";
        static const char table[] =
                "NETWORK  ADDRESS   CONTAINER  IFNAME  SINCE                 STATE\n"
                "n        10.0.0.1  c?[31m??   \"<e>\\   1970-01-01T00:00:00Z  held\n"
                "1 address in 1 network\n";
        _cleanup_(report_list_done) struct report_list list = { 0 };
        _cleanup_(buf_done) struct buf json_out, table_out, lines_out;
        struct err err;
        int r;

        add_report(&list, "n", &odd, 1, "");
        buf_init(&json_out, 65536);
        buf_init(&table_out, 65536);
        buf_init(&lines_out, 65536);
        report_list_json(&list, &json_out);
        ck_assert_str_eq(buf_text(&json_out), json);
        r = report_list_table(&list, &table_out, &err);
        unit_assert_ok(r, &err);
        ck_assert_str_eq(buf_text(&table_out), table);
        report_freed_lines(&list.items[0].entries, false, &lines_out);
        ck_assert_str_eq(buf_text(&lines_out),
                         "freed 10.0.0.1 (c?[31m?? \"<e>\\)\nfreed 1 address\n");
}
END_TEST

/* ---- status ---- */

START_TEST(the_status_as_json)
{
        static const char wanted[] = "{\n"
                                     "    \"version\": 1,\n"
                                     "    \"networks\": [\n"
                                     "        {\n"
                                     "            \"name\": \"a-network\",\n"
                                     "            \"held\": 3,\n"
                                     "            \"stale\": 1,\n"
                                     "            \"empty\": 1,\n"
                                     "            \"cursors\": [\n"
                                     "                {\n"
                                     "                    \"index\": 0,\n"
                                     "                    \"address\": \"10.1.2.10\"\n"
                                     "                },\n"
                                     "                {\n"
                                     "                    \"index\": 1,\n"
                                     "                    \"address\": \"2001:db8::1\"\n"
                                     "                }\n"
                                     "            ]\n"
                                     "        },\n"
                                     "        {\n"
                                     "            \"name\": \"b\",\n"
                                     "            \"held\": 1,\n"
                                     "            \"stale\": 0,\n"
                                     "            \"empty\": 0,\n"
                                     "            \"cursors\": []\n"
                                     "        },\n"
                                     "        {\n"
                                     "            \"name\": \"empty\",\n"
                                     "            \"held\": 0,\n"
                                     "            \"stale\": 0,\n"
                                     "            \"empty\": 0,\n"
                                     "            \"cursors\": [\n"
                                     "                {\n"
                                     "                    \"index\": 0,\n"
                                     "                    \"address\": \"10.0.0.1\"\n"
                                     "                }\n"
                                     "            ]\n"
                                     "        }\n"
                                     "    ]\n"
                                     "}\n";
        static const struct range_set_list none;
        _cleanup_(report_list_done) struct report_list list;
        _cleanup_(buf_done) struct buf out;

        make_reports(&list);
        buf_init(&out, 65536);
        report_status_json(&list, &none, &out);
        ck_assert_str_eq(buf_text(&out), wanted);
}
END_TEST

START_TEST(the_status_as_a_table)
{
        static const char wanted[] = "NETWORK    HELD  STALE  EMPTY  LAST RESERVED\n"
                                     "a-network  3     1      1      10.1.2.10 2001:db8::1\n"
                                     "b          1     0      0\n"
                                     "empty      0     0      0      10.0.0.1\n";
        static const struct range_set_list none;
        _cleanup_(report_list_done) struct report_list list;
        _cleanup_(buf_done) struct buf out;
        struct err err;
        int r;

        make_reports(&list);
        buf_init(&out, 65536);
        r = report_status_table(&list, &none, &out, &err);
        unit_assert_ok(r, &err);
        ck_assert_str_eq(buf_text(&out), wanted);
}
END_TEST

START_TEST(the_status_of_one_configuration_as_json)
{
        static const char wanted[] =
                "{\n"
                "    \"version\": 1,\n"
                "    \"networks\": [\n"
                "        {\n"
                "            \"name\": \"net\",\n"
                "            \"held\": 3,\n"
                "            \"stale\": 1,\n"
                "            \"empty\": 1,\n"
                "            \"cursors\": [],\n"
                "            \"rangeSets\": [\n"
                "                {\n"
                "                    \"index\": 0,\n"
                "                    \"range\": \"10.1.2.1-10.1.2.254,10.1.3.1-10.1.3.2\",\n"
                "                    \"size\": 254,\n"
                "                    \"used\": 3,\n"
                "                    \"free\": 251\n"
                "                },\n"
                "                {\n"
                "                    \"index\": 1,\n"
                "                    \"range\": "
                "\"2001:db8::1-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff\",\n"
                "                    \"size\": 18446744073709551615,\n"
                "                    \"used\": 0,\n"
                "                    \"free\": 18446744073709551615\n"
                "                }\n"
                "            ]\n"
                "        }\n"
                "    ]\n"
                "}\n";
        _cleanup_(report_list_done) struct report_list list = { 0 };
        _cleanup_(buf_done) struct buf out;
        struct two_sets sets;

        make_sets(&sets);
        add_report(&list, "net", mixed, ARRAY_SIZE(mixed), "");
        buf_init(&out, 65536);
        report_status_json(&list, &sets.list, &out);
        ck_assert_str_eq(buf_text(&out), wanted);
}
END_TEST

START_TEST(the_status_of_one_configuration_as_a_table)
{
        static const char wanted[] =
                "NETWORK  HELD  STALE  EMPTY  LAST RESERVED\n"
                "net      3     1      1      10.1.2.9\n"
                "\n"
                "RANGE SET                                           SIZE                  USED  "
                "FREE\n"
                "10.1.2.1-10.1.2.254,10.1.3.1-10.1.3.2               254                   3     "
                "251\n"
                "2001:db8::1-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff  18446744073709551615  0     "
                "18446744073709551615\n";
        _cleanup_(report_list_done) struct report_list list = { 0 };
        _cleanup_(buf_done) struct buf out;
        struct two_sets sets;
        struct err err;
        int r;

        make_sets(&sets);
        add_report(&list, "net", mixed, ARRAY_SIZE(mixed), "10.1.2.9");
        buf_init(&out, 65536);
        r = report_status_table(&list, &sets.list, &out, &err);
        unit_assert_ok(r, &err);
        ck_assert_str_eq(buf_text(&out), wanted);
}
END_TEST

/* A network that has given nothing yet has no directory. */
START_TEST(the_status_of_a_configuration_without_a_network)
{
        static const char wanted[] =
                "no networks\n"
                "\n"
                "RANGE SET                                           SIZE                  USED  "
                "FREE\n"
                "10.1.2.1-10.1.2.254,10.1.3.1-10.1.3.2               254                   0     "
                "254\n"
                "2001:db8::1-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff  18446744073709551615  0     "
                "18446744073709551615\n";
        static const struct report_list none;
        static const struct range_set_list no_sets;
        _cleanup_(buf_done) struct buf out, plain;
        struct two_sets sets;
        struct err err;
        int r;

        make_sets(&sets);
        buf_init(&out, 65536);
        buf_init(&plain, 65536);
        r = report_status_table(&none, &sets.list, &out, &err);
        unit_assert_ok(r, &err);
        ck_assert_str_eq(buf_text(&out), wanted);
        r = report_status_table(&none, &no_sets, &plain, &err);
        unit_assert_ok(r, &err);
        ck_assert_str_eq(buf_text(&plain), "no networks\n");
}
END_TEST

/* ---- counting ---- */

static const struct {
        struct texts entry;
        uint64_t used;
} uses[] = {
        { { "10.1.2.9", "c1", "eth0", ENTRY_HELD, 0 }, 1 },
        { { "10.1.2.9", "c1", "", ENTRY_HELD, 0 }, 1 },
        { { "10.1.2.9", "", "", ENTRY_UNREADABLE, 0 }, 1 },
        /* ADD could give these */
        { { "10.1.2.9", "c1", "eth0", ENTRY_STALE, 0 }, 0 },
        { { "10.1.2.9", "", "", ENTRY_EMPTY, 0 }, 0 },
        /* the gateways of their own ranges */
        { { "10.1.2.1", "c1", "eth0", ENTRY_HELD, 0 }, 0 },
        { { "10.1.3.1", "c1", "eth0", ENTRY_HELD, 0 }, 0 },
        { { "10.1.3.2", "c1", "eth0", ENTRY_HELD, 0 }, 1 },
        /* outside */
        { { "10.1.2.0", "c1", "eth0", ENTRY_HELD, 0 }, 0 },
        { { "10.1.2.255", "c1", "eth0", ENTRY_HELD, 0 }, 0 },
        { { "10.1.4.1", "c1", "eth0", ENTRY_HELD, 0 }, 0 },
        { { "2001:db8::5", "c1", "eth0", ENTRY_HELD, 0 }, 0 },
};

START_TEST(what_add_cannot_give_is_used)
{
        _cleanup_(report_list_done) struct report_list list = { 0 };
        struct two_sets sets;

        make_sets(&sets);
        add_report(&list, "net", &uses[_i].entry, 1, "");
        ck_assert_uint_eq(report_used(&list.items[0], &sets.sets[0]), uses[_i].used);
}
END_TEST

/* ---- what was freed ---- */

static void make_freed(struct entry_list *list)
{
        static const struct texts freed[] = {
                { "2001:db8::1", "c1", "eth0", ENTRY_HELD, 0 },
                { "10.1.2.10", "c2", "net1", ENTRY_STALE, 0 },
                { "10.1.2.9", "old", "", ENTRY_HELD, 0 },
                { "10.1.2.100", "", "", ENTRY_EMPTY, 0 },
        };

        *list = (struct entry_list){ 0 };
        for (size_t i = 0; i < ARRAY_SIZE(freed); i++)
                add_entry(list, &freed[i]);
}

START_TEST(the_freed_as_json)
{
        static const char wanted[] = "{\n"
                                     "    \"version\": 1,\n"
                                     "    \"network\": \"net\",\n"
                                     "    \"dryRun\": %s,\n"
                                     "    \"freed\": [\n"
                                     "        {\n"
                                     "            \"address\": \"10.1.2.9\",\n"
                                     "            \"containerID\": \"old\"\n"
                                     "        },\n"
                                     "        {\n"
                                     "            \"address\": \"10.1.2.10\",\n"
                                     "            \"containerID\": \"c2\",\n"
                                     "            \"ifname\": \"net1\"\n"
                                     "        },\n"
                                     "        {\n"
                                     "            \"address\": \"10.1.2.100\"\n"
                                     "        },\n"
                                     "        {\n"
                                     "            \"address\": \"2001:db8::1\",\n"
                                     "            \"containerID\": \"c1\",\n"
                                     "            \"ifname\": \"eth0\"\n"
                                     "        }\n"
                                     "    ]\n"
                                     "}\n";
        _cleanup_(entry_list_done) struct entry_list freed;
        _cleanup_(buf_done) struct buf out;
        const char *mark = strstr(wanted, "%s");
        char text[1024];

        (void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(mark - wanted), wanted,
                       _i ? "true" : "false", mark + 2);
        make_freed(&freed);
        buf_init(&out, 65536);
        report_freed_json(&freed, "net", _i, &out);
        ck_assert_str_eq(buf_text(&out), text);
}
END_TEST

START_TEST(nothing_freed_as_json)
{
        _cleanup_(entry_list_done) struct entry_list freed = { 0 };
        _cleanup_(buf_done) struct buf out;

        buf_init(&out, 65536);
        report_freed_json(&freed, "net", false, &out);
        ck_assert_str_eq(buf_text(&out), "{\n    \"version\": 1,\n    \"network\": \"net\",\n"
                                         "    \"dryRun\": false,\n    \"freed\": []\n}\n");
}
END_TEST

START_TEST(the_freed_as_lines)
{
        static const char *const wanted[] = {
                "freed 10.1.2.9 (old)\nfreed 10.1.2.10 (c2 net1)\nfreed 10.1.2.100 (no owner)\n"
                "freed 2001:db8::1 (c1 eth0)\nfreed 4 addresses\n",
                "would free 10.1.2.9 (old)\nwould free 10.1.2.10 (c2 net1)\n"
                "would free 10.1.2.100 (no owner)\nwould free 2001:db8::1 (c1 eth0)\n"
                "would free 4 addresses\n",
        };
        _cleanup_(entry_list_done) struct entry_list freed;
        _cleanup_(buf_done) struct buf out;

        make_freed(&freed);
        buf_init(&out, 65536);
        report_freed_lines(&freed, _i, &out);
        ck_assert_str_eq(buf_text(&out), wanted[_i]);
}
END_TEST

START_TEST(nothing_freed_as_lines)
{
        _cleanup_(entry_list_done) struct entry_list freed = { 0 };
        _cleanup_(buf_done) struct buf out;

        buf_init(&out, 65536);
        report_freed_lines(&freed, true, &out);
        ck_assert_str_eq(buf_text(&out), "would free 0 addresses\n");
}
END_TEST

/* ---- reading ---- */

START_TEST(a_missing_directory_is_absent)
{
        _cleanup_(report_list_done) struct report_list list = { 0 };
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        struct err err;

        unit_path(unit_dir(dir), "net", path);
        ck_assert_int_eq(report_read(&list, "net", path, &err), STORE_ABSENT);
        ck_assert_uint_eq(list.count, 0);
        ck_assert(!unit_exists(dir, "net"));
}
END_TEST

START_TEST(what_is_no_directory_is_an_error)
{
        _cleanup_(report_list_done) struct report_list list = { 0 };
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        struct err err;
        int r;

        unit_write(unit_dir(dir), "net", "");
        r = report_read(&list, "net", unit_path(dir, "net", path), &err);
        unit_assert_err(r, &err, CNI_ERR_IO, "not a directory");
        ck_assert_uint_eq(list.count, 0);
}
END_TEST

START_TEST(a_directory_is_read_without_a_trace)
{
        const struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 1700000000 } };
        static const char *const order[] = { "9.9.9.9", "10.1.2.9", "10.1.2.10", "2001:db8::2" };
        _cleanup_(report_list_done) struct report_list list = { 0 };
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX], text[IP_TEXT_MAX];
        const struct report *report;
        struct err err;
        int r;

        unit_dir(dir);
        unit_write(dir, "2001:db8::2", "c1\r\neth0");
        unit_write(dir, "10.1.2.10", "c2");
        unit_write(dir, "10.1.2.9", "c3\r\nnet1\n");
        unit_write(dir, "9.9.9.9", "");
        unit_write(dir, "x", "c4\r\neth0");
        unit_write(dir, "last_reserved_ip.0", "10.1.2.10");
        unit_write(dir, "last_reserved_ip.1", "2001:db8::2");
        unit_write(dir, "last_reserved_ip.3", "10.9.9.9"); /* behind a gap */
        ck_assert_int_eq(utimensat(AT_FDCWD, unit_path(dir, "10.1.2.9", path), times, 0), 0);
        r = report_read(&list, "net", dir, &err);
        unit_assert_ok(r, &err);
        ck_assert_uint_eq(list.count, 1);
        report = &list.items[0];
        ck_assert_str_eq(report->name, "net");
        ck_assert_uint_eq(report->entries.count, ARRAY_SIZE(order));
        for (size_t i = 0; i < ARRAY_SIZE(order); i++)
                ck_assert_str_eq(ip_format(&report->entries.items[i].ip, text), order[i]);
        ck_assert_int_eq(report->entries.items[0].state, ENTRY_EMPTY);
        ck_assert_str_eq(report->entries.items[0].container_id, "");
        ck_assert_str_eq(report->entries.items[1].container_id, "c3");
        ck_assert_str_eq(report->entries.items[1].ifname, "net1");
        ck_assert(report->entries.items[1].since.tv_sec == 1700000000);
        ck_assert_str_eq(report->entries.items[2].container_id, "c2");
        ck_assert_str_eq(report->entries.items[2].ifname, "");
        ck_assert_uint_eq(report->cursor_count, 3);
        ck_assert_uint_eq(report->cursors[1].set, 1);
        ck_assert_uint_eq(report->cursors[2].set, 3);
        ck_assert_str_eq(ip_format(&report->cursors[0].ip, text), "10.1.2.10");
        ck_assert_str_eq(ip_format(&report->cursors[1].ip, text), "2001:db8::2");
        ck_assert(!unit_exists(dir, "lock"));
}
END_TEST

/* One that cannot be read is left out, and a stray number does not make the search long. */
START_TEST(cursors_are_read_over_small_gaps)
{
        static const size_t sets[] = { 1, 5, 60, 120 };
        _cleanup_(report_list_done) struct report_list list = { 0 };
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX], name[64];
        const struct report *report;
        struct err err;
        int r;

        unit_dir(dir);
        ck_assert_int_eq(mkdir(unit_path(dir, "last_reserved_ip.0", path), 0755), 0);
        unit_write(dir, "last_reserved_ip.2", "junk");
        unit_write(dir, "last_reserved_ip.100000", "10.1.2.3");
        unit_write(dir, "last_reserved_ip.x", "10.1.2.3");
        for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
                (void)snprintf(name, sizeof(name), "last_reserved_ip.%zu", sets[i]);
                unit_write(dir, name, "10.1.2.3");
        }
        r = report_read(&list, "net", dir, &err);
        unit_assert_ok(r, &err);
        report = &list.items[0];
        ck_assert_uint_eq(report->cursor_count, ARRAY_SIZE(sets));
        for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
                ck_assert_uint_eq(report->cursors[i].set, sets[i]);
}
END_TEST

/* A directory, FIFO or link keeps its name's address, though it is no entry. */
START_TEST(a_name_without_an_entry_is_used)
{
        _cleanup_(report_list_done) struct report_list list = { 0 };
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        struct two_sets sets;
        struct err err;
        int r;

        make_sets(&sets);
        unit_dir(dir);
        ck_assert_int_eq(mkdir(unit_path(dir, "10.1.2.1", path), 0755), 0); /* the gateway */
        ck_assert_int_eq(mkdir(unit_path(dir, "10.1.2.2", path), 0755), 0);
        ck_assert_int_eq(mkfifo(unit_path(dir, "10.1.2.3", path), 0600), 0);
        ck_assert_int_eq(symlink("nothing", unit_path(dir, "10.1.2.4", path)), 0);
        ck_assert_int_eq(mkdir(unit_path(dir, "10.1.2.05", path), 0755), 0); /* no name */
        ck_assert_int_eq(mkdir(unit_path(dir, "10.9.9.9", path), 0755), 0);  /* outside */
        unit_write(dir, "10.1.2.6", "c1\r\neth0");
        unit_write(dir, "10.1.2.7", "");
        r = report_read(&list, "net", dir, &err);
        unit_assert_ok(r, &err);
        ck_assert_uint_eq(list.items[0].entries.count, 2);
        ck_assert_uint_eq(report_used(&list.items[0], &sets.sets[0]), 4);
        ck_assert_uint_eq(report_used(&list.items[0], &sets.sets[1]), 0);
}
END_TEST

START_TEST(several_directories_make_one_list)
{
        _cleanup_(report_list_done) struct report_list list = { 0 };
        char a[UNIT_PATH_MAX], b[UNIT_PATH_MAX];
        struct err err;

        unit_write(unit_dir(b), "10.1.2.10", "c2");
        ck_assert_int_eq(report_read(&list, "a", unit_dir(a), &err), 0);
        ck_assert_int_eq(report_read(&list, "b", b, &err), 0);
        ck_assert_uint_eq(list.count, 2);
        ck_assert_str_eq(list.items[0].name, "a");
        ck_assert_uint_eq(list.items[0].entries.count, 0);
        ck_assert_str_eq(list.items[1].name, "b");
        ck_assert_uint_eq(list.items[1].entries.count, 1);
}
END_TEST

START_TEST(many_entries_are_sorted)
{
        _cleanup_(report_list_done) struct report_list list = { 0 };
        const struct entry_list *entries;
        char dir[UNIT_PATH_MAX], name[32];
        struct err err;

        unit_dir(dir);
        for (unsigned i = 0; i < 300; i++) {
                (void)snprintf(name, sizeof(name), "10.1.%u.%u", i * 7 % 300 / 100, i * 7 % 100);
                unit_write(dir, name, "c1\r\neth0");
        }
        ck_assert_int_eq(report_read(&list, "net", dir, &err), 0);
        entries = &list.items[0].entries;
        ck_assert_uint_eq(entries->count, 300);
        for (size_t i = 1; i < entries->count; i++)
                ck_assert_int_lt(ip_compare(&entries->items[i - 1].ip, &entries->items[i].ip), 0);
}
END_TEST

START_TEST(an_entry_of_another_boot_is_stale)
{
        _cleanup_(report_list_done) struct report_list list = { 0 };
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        struct err err;

        unit_write(unit_dir(dir), "10.1.2.2", "c1\r\neth0");
        ck_assert_int_eq(setxattr(unit_path(dir, "10.1.2.2", path), BOOT_ATTRIBUTE, OTHER_BOOT,
                                  strlen(OTHER_BOOT), 0),
                         0);
        ck_assert_int_eq(report_read(&list, "net", dir, &err), 0);
        ck_assert_int_eq(list.items[0].entries.items[0].state, ENTRY_STALE);
}
END_TEST

/* Whether files of the temporary directory can have our attribute. Runs before the tests. */
static bool has_attributes(void)
{
        _cleanup_(closep) int fd = open(unit_base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        const char *must = getenv("MUST_RUN");

        if (fsetxattr(fd, BOOT_ATTRIBUTE, "x", 1, 0) == 0)
                return true;
        if (must && *must == '1') {
                perror("report: user.* attributes in /tmp");
                exit(1);
        }
        (void)printf("# left out: tests of boot tags: user.* attributes in /tmp: %s\n",
                     err_errno_text(errno));
        return false;
}

static void add(TCase *tests)
{
        tcase_add_test(tests, the_list_as_json);
        tcase_add_test(tests, the_list_as_a_table);
        unit_add_table(tests, the_total_is_the_last_line, totals);
        tcase_add_test(tests, no_networks_as_json);
        tcase_add_test(tests, odd_owners_are_made_harmless);
        tcase_add_test(tests, the_status_as_json);
        tcase_add_test(tests, the_status_as_a_table);
        tcase_add_test(tests, the_status_of_one_configuration_as_json);
        tcase_add_test(tests, the_status_of_one_configuration_as_a_table);
        tcase_add_test(tests, the_status_of_a_configuration_without_a_network);
        unit_add_table(tests, what_add_cannot_give_is_used, uses);
        tcase_add_loop_test(tests, the_freed_as_json, 0, 2);
        tcase_add_test(tests, nothing_freed_as_json);
        tcase_add_loop_test(tests, the_freed_as_lines, 0, 2);
        tcase_add_test(tests, nothing_freed_as_lines);
        tcase_add_test(tests, a_missing_directory_is_absent);
        tcase_add_test(tests, what_is_no_directory_is_an_error);
        tcase_add_test(tests, a_directory_is_read_without_a_trace);
        tcase_add_test(tests, cursors_are_read_over_small_gaps);
        tcase_add_test(tests, a_name_without_an_entry_is_used);
        tcase_add_test(tests, several_directories_make_one_list);
        tcase_add_test(tests, many_entries_are_sorted);
        if (has_attributes())
                tcase_add_test(tests, an_entry_of_another_boot_is_stale);
}

UNIT_MAIN("report", add)

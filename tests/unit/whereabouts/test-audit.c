/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pools and reservations against each other.
 */
#include "audit.h"

#include "unit.h"

#define POOL(name, range, allocations)                               \
        "{\"metadata\":{\"name\":\"" name                            \
        "\",\"resourceVersion\":\"1\"},\"spec\":{\"range\":\"" range \
        "\",\"allocations\":{" allocations "}}}"
#define ENTRY(key, id, podref, ifname) \
        "\"" key "\":{\"id\":\"" id "\",\"podref\":\"" podref "\",\"ifname\":\"" ifname "\"}"
#define OLD(key, id, podref) "\"" key "\":{\"id\":\"" id "\",\"podref\":\"" podref "\"}"
#define HELD(name, podref, ifname)                                                                \
        "{\"metadata\":{\"name\":\"" name "\",\"uid\":\"u-" name "\",\"resourceVersion\":\"1\"}," \
        "\"spec\":{\"podref\":\"" podref "\",\"ifname\":\"" ifname "\"}}"

static const char *const kinds[FINDING_KIND_COUNT] = {
        [FINDING_RANGE] = "range",     [FINDING_NAME] = "name",       [FINDING_KEY] = "key",
        [FINDING_ENTRY] = "entry",     [FINDING_IFNAME] = "ifname",   [FINDING_TWICE] = "twice",
        [FINDING_UNRESERVED] = "none", [FINDING_DIFFERS] = "differs", [FINDING_ORPHAN] = "orphan",
};

/* Items of both lists; want: a line per finding: kind, pool's or reservation's name, key, and what
 * has to be created; "?" behind it when that is not certain. */
static const struct {
        const char *pools, *reservations, *want;
} rows[] = {
        { "", "", "" },
        { POOL("10.0.0.0-24", "10.0.0.0/24", ""), "", "" },
        /* an entry and its reservation, of each form of name */
        { POOL("10.0.0.0-24", "10.0.0.0/24", ENTRY("1", "c1", "n/p", "net1")),
          HELD("10.0.0.1", "n/p", "net1"), "" },
        { POOL("fd00---64", "fd00::/64", ENTRY("1", "c1", "n/p", "net1")),
          HELD("fd00--1", "n/p", "net1"), "" },
        { POOL("2001-db9---64", "2001:db9::/64", ENTRY("0", "c1", "n/p", "net1")),
          HELD("2001-db9--0", "n/p", "net1"), "" },
        { POOL("net-a-fd00-1---64", "fd00:1::/64", ENTRY("1", "c1", "n/p", "net1")),
          HELD("net-a-fd00-1--1", "n/p", "net1"), "" },
        { POOL("net-a-10.8.0.0-24", "10.8.0.0/24", ENTRY("1", "c1", "n/p", "net1")),
          HELD("net-a-10.8.0.1", "n/p", "net1"), "" },
        /* slices: the node's name is not in the reservation's */
        { POOL("tenant-a-node-a-10.0.8.0-22", "10.0.8.0/22", ENTRY("1", "c1", "n/p", "net1")),
          HELD("tenant-a-10.0.8.1", "n/p", "net1"), "" },
        { POOL("node-a-10.0.4.0-22", "10.0.4.0/22", ENTRY("1", "c1", "n/p", "net1")),
          HELD("10.0.4.1", "n/p", "net1"), "" },
        /* a range with host bits; offsets count from them */
        { POOL("10.0.0.0-24", "10.0.0.5/24", ENTRY("1", "c1", "n/p", "net1")),
          HELD("10.0.0.6", "n/p", "net1"), "" },
        /* either may lack the interface */
        { POOL("10.0.0.0-24", "10.0.0.0/24", ENTRY("1", "c1", "n/p", "net1")),
          HELD("10.0.0.1", "n/p", ""), "" },
        { POOL("10.0.0.0-24", "10.0.0.0/24", OLD("1", "c1", "n/p")),
          HELD("10.0.0.1", "n/p", "net1"), "ifname 10.0.0.0-24 1 -?\n" },
        /* no reservation: what has to be made is known from the others */
        { POOL("10.0.0.0-24", "10.0.0.0/24", ENTRY("1", "c1", "n/p", "net1")), "",
          "none 10.0.0.0-24 1 -?\n" },
        { POOL("10.0.0.0-24", "10.0.0.0/24",
               ENTRY("1", "c1", "n/p", "net1") "," ENTRY("2", "c2", "n/q", "net1")),
          HELD("10.0.0.1", "n/p", "net1"), "none 10.0.0.0-24 2 10.0.0.2\n" },
        { POOL("a-b-10.0.0.0-24", "10.0.0.0/24",
               ENTRY("1", "c1", "n/p", "net1") "," ENTRY("2", "c2", "n/q", "net1")),
          HELD("a-10.0.0.1", "n/p", "net1"), "none a-b-10.0.0.0-24 2 a-10.0.0.2\n" },
        { POOL("a-b-fd00---64", "fd00::/64",
               ENTRY("1", "c1", "n/p", "net1") "," ENTRY("2", "c2", "n/q", "net1")),
          HELD("a-b-fd00--1", "n/p", "net1"), "none a-b-fd00---64 2 a-b-fd00--2\n" },
        { POOL("a-b-10.0.0.0-24", "10.0.0.0/24",
               ENTRY("1", "c1", "n/p", "net1") "," ENTRY("2", "c2", "n/q", "net1") "," ENTRY(
                       "3", "c3", "n/r", "net1")),
          HELD("a-10.0.0.1", "n/p", "net1") "," HELD("a-b-10.0.0.2", "n/q", "net1"),
          "none a-b-10.0.0.0-24 3 -?\n" },
        { POOL("10.0.0.0-24", "10.0.0.0/24",
               ENTRY("1", "c1", "n/p", "net1") "," OLD("2", "c2", "n/q")),
          HELD("10.0.0.1", "n/p", "net1"), "ifname 10.0.0.0-24 2 -?\nnone 10.0.0.0-24 2 -?\n" },
        /* another pool's entries prove nothing */
        { POOL("10.0.0.0-24", "10.0.0.0/24", ENTRY("1", "c1", "n/p", "net1")) "," POOL(
                  "10.0.1.0-24", "10.0.1.0/24", ENTRY("1", "c2", "n/q", "net1")),
          HELD("10.0.0.1", "n/p", "net1"), "none 10.0.1.0-24 1 -?\n" },
        /* another's reservation */
        { POOL("10.0.0.0-24", "10.0.0.0/24", ENTRY("1", "c1", "n/p", "net1")),
          HELD("10.0.0.1", "n/q", "net1"), "differs 10.0.0.0-24 1 10.0.0.1?\n" },
        { POOL("10.0.0.0-24", "10.0.0.0/24", ENTRY("1", "c1", "n/p", "net1")),
          HELD("10.0.0.1", "n/p", "net2"), "differs 10.0.0.0-24 1 10.0.0.1?\n" },
        /* of two networks: each has its own */
        { POOL("10.0.0.0-24", "10.0.0.0/24", ENTRY("1", "c1", "n/p", "net1")) "," POOL(
                  "a-10.0.0.0-24", "10.0.0.0/24", ENTRY("1", "c2", "n/q", "net1")),
          HELD("10.0.0.1", "n/p", "net1") "," HELD("a-10.0.0.1", "n/q", "net1"), "" },
        { POOL("10.0.0.0-24", "10.0.0.0/24", ENTRY("1", "c1", "n/p", "net1")) "," POOL(
                  "a-10.0.0.0-24", "10.0.0.0/24", ENTRY("1", "c2", "n/q", "net1")),
          HELD("10.0.0.1", "n/p", "net1"), "none a-10.0.0.0-24 1 -?\n" },
        /* one address twice: in one pool, and in two of one network */
        { POOL("10.0.0.0-24", "10.0.0.0/24",
               ENTRY("1", "c1", "n/p", "net1") "," ENTRY("01", "c2", "n/q", "net1")),
          HELD("10.0.0.1", "n/p", "net1"), "none 10.0.0.0-24 01 -?\ntwice 10.0.0.0-24 1 -?\n" },
        { POOL("10.0.0.0-16", "10.0.0.0/16", ENTRY("1", "c1", "n/p", "net1")) "," POOL(
                  "10.0.0.0-24", "10.0.0.0/24", ENTRY("1", "c2", "n/q", "net1")),
          HELD("10.0.0.1", "n/q", "net1"), "none 10.0.0.0-16 1 -?\ntwice 10.0.0.0-24 1 -?\n" },
        { POOL("a-10.0.0.0-16", "10.0.0.0/16", ENTRY("1", "c1", "n/p", "net1")) "," POOL(
                  "b-10.0.0.0-24", "10.0.0.0/24", ENTRY("1", "c2", "n/q", "net1")),
          HELD("a-10.0.0.1", "n/p", "net1") "," HELD("b-10.0.0.1", "n/q", "net1"), "" },
        /* no entry: the pod must have none anywhere */
        { "", HELD("10.0.0.1", "n/p", "net1"), "orphan 10.0.0.1 - -\n" },
        { "", HELD("10.0.0.1", "", "net1"), "orphan 10.0.0.1 - -?\n" },
        { "", HELD("10.0.0.1", "pod", "net1"), "orphan 10.0.0.1 - -?\n" },
        { "", HELD("10.0.0.1", "/pod", "net1"), "orphan 10.0.0.1 - -?\n" },
        { "", HELD("10.0.0.1", "n/", "net1"), "orphan 10.0.0.1 - -?\n" },
        { POOL("10.0.0.0-24", "10.0.0.0/24", ENTRY("1", "c1", "n/p", "net1")),
          HELD("10.0.0.1", "n/p", "net1") "," HELD("10.0.0.2", "n/p", "net1"),
          "orphan 10.0.0.2 - -?\n" },
        { POOL("10.0.0.0-24", "10.0.0.0/24", ENTRY("1", "c1", "n/p", "net1")),
          HELD("10.0.0.1", "n/p", "net1") "," HELD("10.0.0.2", "n/p", "net2"),
          "orphan 10.0.0.2 - -\n" },
        { POOL("10.0.0.0-24", "10.0.0.0/24", ENTRY("1", "c1", "n/p", "net1")),
          HELD("10.0.0.1", "n/p", "net1") "," HELD("10.0.0.2", "n/p", ""),
          "orphan 10.0.0.2 - -?\n" },
        { POOL("10.0.0.0-24", "10.0.0.0/24", ENTRY("x", "c1", "n/p", "net1")),
          HELD("10.0.0.2", "n/p", "net1"), "key 10.0.0.0-24 x -?\norphan 10.0.0.2 - -?\n" },
        /* a longer name of another network than the entry's is not its */
        { POOL("10.0.0.0-24", "10.0.0.0/24", ENTRY("1", "c1", "n/p", "net1")),
          HELD("10.0.0.1", "n/p", "net1") "," HELD("a-10.0.0.1", "n/q", "net1"),
          "orphan a-10.0.0.1 - -\n" },
        /* in whichever order the pools come */
        { POOL("b", "10.0.0.0/24", ENTRY("x", "c1", "n/p", "net1")) "," POOL(
                  "c", "10.0.0.0/24", "") "," POOL("a", "10.0.0.0/24",
                                                   ENTRY("y", "c1", "n/p", "net1")),
          "", "name a - -?\nkey a y -?\nname b - -?\nkey b x -?\nname c - -?\n" },
        /* what cannot be understood */
        { POOL("10.0.0.0-24", "10.0.0.0/24",
               ENTRY("x", "c1", "n/p", "net1") "," ENTRY("-1", "c2", "n/q", "net1")),
          "", "key 10.0.0.0-24 x -?\nkey 10.0.0.0-24 -1 -?\n" },
        { POOL("10.0.0.0-24", "10.0.0.0/24", "\"1\":7"), HELD("10.0.0.1", "n/p", "net1"),
          "entry 10.0.0.0-24 1 -?\n" },
        { POOL("10.0.0.0-24", "nonsense", ENTRY("1", "c1", "n/p", "net1")),
          HELD("10.0.0.9", "n/q", "net1"), "range 10.0.0.0-24 - -?\norphan 10.0.0.9 - -?\n" },
        { POOL("10.0.0.0-16", "10.0.0.0/24", ""), "", "name 10.0.0.0-16 - -?\n" },
        { POOL("x10.0.0.0-24", "10.0.0.0/24", ""), "", "name x10.0.0.0-24 - -?\n" },
        { POOL("short", "10.0.0.0/24", ENTRY("1", "c1", "n/p", "net1")),
          HELD("10.0.0.1", "n/p", "net1"), "name short - -?\n" },
        { POOL("short", "10.0.0.0/24",
               ENTRY("1", "c1", "n/p", "net1") "," ENTRY("2", "c2", "n/q", "net1")),
          HELD("10.0.0.1", "n/p", "net1"), "name short - -?\nnone short 2 -?\n" },
};

static void take(const char *pools, const char *reservations, struct snapshot *ret)
{
        char text[8192];
        struct err err;

        (void)snprintf(text, sizeof(text), "{\"items\":[%s]}", pools);
        unit_assert_ok(pool_list_parse(text, strlen(text), &ret->pools, &err), &err);
        (void)snprintf(text, sizeof(text), "{\"items\":[%s]}", reservations);
        unit_assert_ok(reservation_list_parse(text, strlen(text), &ret->reservations, &err), &err);
}

static void write_finding(struct buf *buf, const struct finding *finding)
{
        const char *name = finding->pool ? finding->pool->name : finding->reservation->name;
        const char *made = finding->name ? finding->name : "-";

        if (finding->kind == FINDING_DIFFERS)
                made = finding->reservation->name;
        buf_printf(buf, "%s %s %s %s%s\n", kinds[finding->kind], name,
                   finding->key ? finding->key : "-", made, finding->unsure ? "?" : "");
}

START_TEST(objects_are_compared)
{
        struct snapshot snapshot = { 0 };
        struct audit audit = { 0 };
        struct buf seen;
        struct err err;

        take(rows[_i].pools, rows[_i].reservations, &snapshot);
        unit_assert_ok(audit_run(&snapshot, &audit, &err), &err);
        buf_init(&seen, 10000);
        for (size_t i = 0; i < audit.finding_count; i++) {
                write_finding(&seen, &audit.findings[i]);
                ck_assert_ptr_eq(audit_find(&audit, &audit.findings[i]), &audit.findings[i]);
        }
        ck_assert_str_eq(buf_text(&seen), rows[_i].want);
        buf_done(&seen);
        audit_done(&audit);
        snapshot_done(&snapshot);
}
END_TEST

START_TEST(an_entry_knows_whether_it_has_its_reservation)
{
        struct snapshot snapshot = { 0 };
        struct audit audit = { 0 };
        struct err err;

        take(POOL("10.0.0.0-24", "10.0.0.0/24", ENTRY("1", "c1", "n/p", "net1")) "," POOL(
                     "10.0.1.0-24", "10.0.1.0/24",
                     ENTRY("1", "c2", "n/q", "net1") "," ENTRY("2", "c3", "n/r", "net1")),
             HELD("10.0.0.1", "n/x", "net1") "," HELD("10.0.1.2", "n/r", "net1"), &snapshot);
        unit_assert_ok(audit_run(&snapshot, &audit, &err), &err);
        ck_assert(!audit_is_reserved(&audit, 0, 0)); /* another's is none */
        ck_assert(!audit_is_reserved(&audit, 1, 0));
        ck_assert(audit_is_reserved(&audit, 1, 1));
        audit_done(&audit);
        snapshot_done(&snapshot);
}
END_TEST

/* What makes a finding of a later look another one than that of the earlier look. */
static const struct {
        const char *pools, *reservations;
        bool same;
} later_rows[] = {
        { POOL("10.0.0.0-24", "10.0.0.0/24", ENTRY("1", "c1", "n/p", "net1")),
          HELD("10.0.0.9", "n/o", "net1"), true },
        { POOL("10.0.0.0-24", "10.0.0.0/24", ENTRY("1", "c2", "n/p", "net1")),
          HELD("10.0.0.8", "n/o", "net1"), false },
        { POOL("10.0.0.0-24", "10.0.0.0/24", ENTRY("1", "c1", "n/q", "net1")),
          "{\"metadata\":{\"name\":\"10.0.0.9\",\"uid\":\"later\",\"resourceVersion\":\"1\"},"
          "\"spec\":{\"podref\":\"n/o\"}}",
          false },
        { POOL("10.0.0.0-24", "10.0.0.0/24", ENTRY("2", "c1", "n/p", "net1")), "", false },
        { POOL("10.0.0.0-25", "10.0.0.0/25", ENTRY("1", "c1", "n/p", "net1")), "", false },
        { "", HELD("10.0.0.1", "n/o", "net1"), false },
};

START_TEST(a_finding_is_known_again_by_its_objects)
{
        struct snapshot before = { 0 }, after = { 0 };
        struct audit first = { 0 }, second = { 0 };
        struct err err;

        take(later_rows[0].pools, later_rows[0].reservations, &before);
        take(later_rows[_i].pools, later_rows[_i].reservations, &after);
        unit_assert_ok(audit_run(&before, &first, &err), &err);
        unit_assert_ok(audit_run(&after, &second, &err), &err);
        ck_assert_uint_eq(first.finding_count, 2);
        for (size_t i = 0; i < second.finding_count; i++)
                ck_assert_int_eq(audit_find(&first, &second.findings[i]) != NULL,
                                 later_rows[_i].same);
        audit_done(&first);
        audit_done(&second);
        snapshot_done(&before);
        snapshot_done(&after);
}
END_TEST

static const struct {
        const char *pool, *reservation;
        bool want;
} near_rows[] = {
        { POOL("10.0.0.0-24", "10.0.0.0/24", ""), "10.0.0.255", true },
        { POOL("10.0.0.0-24", "10.0.0.0/24", ""), "10.0.1.0", false },
        { POOL("10.0.0.0-24", "10.0.0.0/24", ""), "a-10.0.0.1", false },
        { POOL("a-node1-10.0.0.0-24", "10.0.0.0/24", ""), "a-10.0.0.1", true },
        { POOL("a-node1-10.0.0.0-24", "10.0.0.0/24", ""), "a-node1-10.0.0.1", true },
        { POOL("a-node1-10.0.0.0-24", "10.0.0.0/24", ""), "10.0.0.1", true },
        { POOL("a-node1-10.0.0.0-24", "10.0.0.0/24", ""), "b-10.0.0.1", false },
        { POOL("a-node1-10.0.0.0-24", "10.0.0.0/24", ""), "a", false },
        { POOL("a-node1-fd00---64", "fd00::/64", ""), "a-fd00--1", true },
        { POOL("a-node1-fd00---64", "fd00::/64", ""), "fd00--0", true },
        { POOL("a-node1-fd00---64", "fd00::/64", ""), "a-fd01--1", false },
        { POOL("10.0.0.0-24", "10.0.0.0/24", ""),
          "a-name-that-is-longer-than-any-address-could-ever-be-10.0.0.1", false },
};

START_TEST(a_reservation_is_near_the_pools_of_its_address)
{
        const struct reservation reservation = { .name = near_rows[_i].reservation };
        struct snapshot snapshot = { 0 };
        struct audit audit = { 0 };
        struct err err;

        take(near_rows[_i].pool, "", &snapshot);
        unit_assert_ok(audit_run(&snapshot, &audit, &err), &err);
        ck_assert_int_eq(audit_is_near(&audit, 0, &reservation), near_rows[_i].want);
        audit_done(&audit);
        snapshot_done(&snapshot);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, objects_are_compared, rows);
        tcase_add_test(tests, an_entry_knows_whether_it_has_its_reservation);
        unit_add_table(tests, a_finding_is_known_again_by_its_objects, later_rows);
        unit_add_table(tests, a_reservation_is_near_the_pools_of_its_address, near_rows);
}

UNIT_MAIN("audit", add_tests)

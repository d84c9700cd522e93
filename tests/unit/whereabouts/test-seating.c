/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nodes and their slices, from the object as it is to the one that shall be. Numbers in comments
 * are sections of whereabouts-controllers-and-deploy.md.
 */
#include "seating.h"

#include "unit.h"

#define OBJECT(meta, allocations)                                                      \
        "{\"metadata\":{\"name\":\"net\",\"uid\":\"u\",\"resourceVersion\":\"7\"" meta \
        "},\"spec\":{\"range\":\"10.0.0.0/8\",\"sliceSize\":\"/10\"},"                 \
        "\"status\":{\"allocations\":[" allocations "]}}"
#define FOUR(a, b, c, d)     \
        ENTRY(a, "10.0.0.0") \
        "," ENTRY(b, "10.64.0.0") "," ENTRY(c, "10.128.0.0") "," ENTRY(d, "10.192.0.0")
#define ENTRY(node, ip) "{\"nodeName\":\"" node "\",\"sliceRange\":\"" ip "/10\"}"

static struct slicing slicing_of(const char *range, unsigned prefix)
{
        struct slicing slicing = { .pool = (char *)(uintptr_t) "net",
                                   .network_name = (char *)(uintptr_t) "net",
                                   .prefix = prefix };

        ck_assert_int_eq(ipnet_parse(range, &slicing.range), 0);
        return slicing;
}

/* Words to a list; they are to be sorted. */
static void split(const char *words, struct text_list *ret)
{
        struct err err;

        for (; *words; words += strspn(words, " ")) {
                size_t len = strcspn(words, " ");

                unit_assert_ok(text_list_add(ret, words, len, &err), &err);
                words += len;
        }
}

/* "NAME" for a pool with an entry, "NAME!" for an empty one; each has the range of its name's end.
 */
static void make_pools(const char *words, struct pool_list *ret)
{
        _cleanup_(text_list_done) struct text_list names = { 0 };
        _cleanup_(buf_done) struct buf text;
        struct err err;

        split(words, &names);
        buf_init(&text, 65536);
        buf_puts(&text, "{\"items\":[");
        for (size_t i = 0; i < names.count; i++) {
                char *name = names.items[i], range[64];
                bool empty = name[strlen(name) - 1] == '!';

                if (empty)
                        name[strlen(name) - 1] = '\0';
                ck_assert_uint_ge(strlen(name), 11);
                (void)snprintf(range, sizeof(range), "%s", strstr(name, "10."));
                *strrchr(range, '-') = '/';
                buf_printf(&text,
                           "%s{\"metadata\":{\"name\":\"%s\",\"resourceVersion\":\"1\"},\"spec\":{"
                           "\"range\":\"%s\",\"allocations\":{%s}}}",
                           i > 0 ? "," : "", name, range,
                           empty ? "" : "\"1\":{\"id\":\"c\",\"podref\":\"a/b\"}");
        }
        buf_puts(&text, "]}");
        unit_assert_ok(pool_list_parse(buf_text(&text), text.len, ret, &err), &err);
}

static void print_seats(const struct slicing *slicing, const struct seats *seats, char *text,
                        size_t size)
{
        size_t len = 0;

        text[0] = '\0';
        for (size_t i = 0; i < seats->count; i++) {
                struct ipnet net =
                        slicing_net(&slicing->range, slicing->prefix, seats->items[i].number);
                char net_text[IPNET_TEXT_MAX];

                len += (size_t)snprintf(text + len, size - len, "%s%s=%s", i > 0 ? " " : "",
                                        ipnet_format(&net, net_text), seats->items[i].node);
                ck_assert_uint_lt(len, size);
        }
}

static const struct {
        const char *have;  /* allocations; NULL: there is no object */
        const char *nodes; /* sorted */
        const char *pools;
        const char *want;
        size_t without;
} rows[] = {
        /* 7.3: CreatesNodeSlicePoolsNoNodes, ...WithNodes, NodeJoins, NodeLeaves */
        { NULL, "", "", "", 0 },
        { NULL, "node1 node2", "", "10.0.0.0/10=node1 10.64.0.0/10=node2", 0 },
        { FOUR("node2", "", "", ""), "node1 node2", "", "10.0.0.0/10=node2 10.64.0.0/10=node1", 0 },
        { FOUR("node1", "node2", "", ""), "node2", "", "10.64.0.0/10=node2", 0 },
        /* a node that is gone makes room for the one that came */
        { FOUR("a", "b", "c", "d"), "a b c e", "",
          "10.0.0.0/10=a 10.64.0.0/10=b 10.128.0.0/10=c 10.192.0.0/10=e", 0 },
        /* 2.6: more nodes than slices */
        { NULL, "a b c d e f", "", "10.0.0.0/10=a 10.64.0.0/10=b 10.128.0.0/10=c 10.192.0.0/10=d",
          2 },
        /* a slice in use does not change hands */
        { FOUR("a", "b", "c", "d"), "a b c e", "net-d-10.192.0.0-10",
          "10.0.0.0/10=a 10.64.0.0/10=b 10.128.0.0/10=c 10.192.0.0/10=d", 1 },
        { FOUR("a", "b", "c", "d"), "a b c e", "net-d-10.192.0.0-10!",
          "10.0.0.0/10=a 10.64.0.0/10=b 10.128.0.0/10=c 10.192.0.0/10=e", 0 },
        /* the object was lost, and the nodes get what they use */
        { NULL, "a b", "net-b-10.0.0.0-10 net-a-10.192.0.0-10", "10.0.0.0/10=b 10.192.0.0/10=a",
          0 },
        /* or it names the wrong node */
        { FOUR("a", "", "", ""), "a b", "net-b-10.0.0.0-10", "10.0.0.0/10=b 10.64.0.0/10=a", 0 },
        /* a node that uses its former slice, too: nobody gets that one */
        { FOUR("", "a", "", ""), "a b", "net-a-10.0.0.0-10",
          "10.0.0.0/10= 10.64.0.0/10=a 10.128.0.0/10=b", 0 },
        /* pools of other networks, of other sizes, of no node */
        { NULL, "a",
          "other-b-10.0.0.0-10 net-b-10.0.0.0-11 net-10.0.0.0-10 b-10.0.0.0-10 netb-10.0.0.0-10",
          "10.0.0.0/10=a", 0 },
        /* entries that make no sense, or come twice */
        { ENTRY("a", "10.64.0.1") "," ENTRY(
                  "b", "11.0.0.0") ",{\"nodeName\":\"c\"},"
                                   "{\"nodeName\":\"d\",\"sliceRange\":\"x\"},7",
          "a", "", "10.0.0.0/10=a", 0 },
        { FOUR("a", "a", "", ""), "a", "", "10.0.0.0/10=a", 0 },
        { ENTRY("a", "10.0.0.0") "," ENTRY("b", "10.0.0.0"), "a b", "",
          "10.0.0.0/10=a 10.64.0.0/10=b", 0 },
};

START_TEST(every_node_gets_a_slice)
{
        _cleanup_(slice_pool_done) struct slice_pool object = { 0 };
        _cleanup_(text_list_done) struct text_list nodes = { 0 }, names = { 0 };
        _cleanup_(pool_list_done) struct pool_list pools = { 0 };
        _cleanup_(seats_done) struct seats in_use = { 0 }, seats = { 0 };
        struct slicing slicing = slicing_of("10.0.0.0/8", 10);
        char text[4096], got[1024];
        size_t without = 9;
        struct err err;

        (void)snprintf(text, sizeof(text), OBJECT("", "%s"), rows[_i].have ? rows[_i].have : "");
        unit_assert_ok(slice_pool_parse(text, strlen(text), &object, &err), &err);
        split(rows[_i].nodes, &nodes);
        make_pools(rows[_i].pools, &pools);
        unit_assert_ok(seats_in_use(&slicing, &pools, &names, &in_use, &err), &err);
        unit_assert_ok(seats_assign(&slicing, rows[_i].have ? &object : NULL, &in_use, &nodes,
                                    &seats, &without, &err),
                       &err);
        print_seats(&slicing, &seats, got, sizeof(got));
        ck_assert_str_eq(got, rows[_i].want);
        ck_assert_uint_eq(without, rows[_i].without);
}
END_TEST

/* Whatever happens, a second round changes nothing. */
START_TEST(what_was_written_stays)
{
        _cleanup_(slice_pool_done) struct slice_pool before = { 0 }, after = { 0 };
        _cleanup_(text_list_done) struct text_list nodes = { 0 }, names = { 0 };
        _cleanup_(pool_list_done) struct pool_list pools = { 0 };
        _cleanup_(seats_done) struct seats in_use = { 0 }, seats = { 0 }, again = { 0 };
        _cleanup_(buf_done) struct buf object;
        struct slicing slicing = slicing_of("10.0.0.0/8", 10);
        char text[4096];
        size_t without;
        struct err err;

        (void)snprintf(text, sizeof(text), OBJECT("", "%s"), rows[_i].have ? rows[_i].have : "");
        unit_assert_ok(slice_pool_parse(text, strlen(text), &before, &err), &err);
        split(rows[_i].nodes, &nodes);
        make_pools(rows[_i].pools, &pools);
        unit_assert_ok(seats_in_use(&slicing, &pools, &names, &in_use, &err), &err);
        unit_assert_ok(seats_assign(&slicing, rows[_i].have ? &before : NULL, &in_use, &nodes,
                                    &seats, &without, &err),
                       &err);
        buf_init(&object, 65536);
        slice_pool_write_new(&object, "kube-system", &slicing, &seats);
        unit_assert_ok(slice_pool_parse(buf_text(&object), object.len, &after, &err), &err);
        ck_assert(after.head.managed);
        ck_assert_uint_eq(after.count, 4); /* the free ones, too */
        ck_assert(slice_pool_says(&after, &slicing, &seats));
        unit_assert_ok(seats_assign(&slicing, &after, &in_use, &nodes, &again, &without, &err),
                       &err);
        ck_assert(slice_pool_says(&after, &slicing, &again));
}
END_TEST

/* 2.4: 524,288 slices are too many for an object. */
START_TEST(too_many_slices_are_not_listed)
{
        _cleanup_(text_list_done) struct text_list nodes = { 0 };
        _cleanup_(seats_done) struct seats seats = { 0 };
        _cleanup_(buf_done) struct buf object;
        struct slicing slicing = slicing_of("10.0.0.0/8", 27);
        const struct seats none = { 0 };
        size_t without;
        struct err err;

        split("a b", &nodes);
        unit_assert_ok(seats_assign(&slicing, NULL, &none, &nodes, &seats, &without, &err), &err);
        buf_init(&object, 65536);
        slice_pool_write_new(&object, "kube-system", &slicing, &seats);
        ck_assert_str_eq(buf_text(&object),
                         "{\"apiVersion\":\"whereabouts.cni.cncf.io/v1alpha1\",\"kind\":"
                         "\"NodeSlicePool\",\"metadata\":{\"name\":\"net\",\"namespace\":"
                         "\"kube-system\",\"labels\":{\"app.kubernetes.io/managed-by\":"
                         "\"whereabouts\"}},\"spec\":{\"range\":\"10.0.0.0/8\",\"sliceSize\":"
                         "\"/27\"},\"status\":{\"allocations\":[{\"nodeName\":\"a\","
                         "\"sliceRange\":\"10.0.0.0/27\"},{\"nodeName\":\"b\",\"sliceRange\":"
                         "\"10.0.0.32/27\"}]}}");
}
END_TEST

START_TEST(a_change_is_tested_against_what_was_read)
{
        static const char text[] = OBJECT("", FOUR("a", "", "", ""));
        _cleanup_(slice_pool_done) struct slice_pool object = { 0 };
        _cleanup_(buf_done) struct buf patch, deletion;
        struct slicing slicing = slicing_of("10.0.0.0/9", 9);
        const struct seats none = { 0 };
        struct err err;

        unit_assert_ok(slice_pool_parse(text, strlen(text), &object, &err), &err);
        ck_assert(!slice_pool_says(&object, &slicing, &none));
        buf_init(&patch, 65536);
        buf_init(&deletion, 4096);
        slice_pool_write_change(&patch, &object, &slicing, &none);
        ck_assert_str_eq(buf_text(&patch),
                         "[{\"op\":\"test\",\"path\":\"/metadata/resourceVersion\",\"value\":\"7\"}"
                         ",{\"op\":\"add\",\"path\":\"/spec\",\"value\":{\"range\":\"10.0.0.0/9\","
                         "\"sliceSize\":\"/9\"}},{\"op\":\"add\",\"path\":\"/status\",\"value\":{"
                         "\"allocations\":[{\"nodeName\":\"\",\"sliceRange\":\"10.0.0.0/9\"}]}}]");
        slice_pool_write_delete(&deletion, &object);
        ck_assert_str_eq(buf_text(&deletion),
                         "{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\",\"preconditions\":{"
                         "\"uid\":\"u\",\"resourceVersion\":\"7\"}}");
}
END_TEST

static const struct {
        const char *meta;
        bool want;
} managed_rows[] = {
        { "", false },
        { ",\"labels\":{\"app.kubernetes.io/managed-by\":\"whereabouts\"}", true },
        { ",\"labels\":{\"app.kubernetes.io/managed-by\":\"Helm\"}", false },
        { ",\"labels\":{\"app.kubernetes.io/managed-by\":7}", false },
        { ",\"ownerReferences\":[{\"kind\":\"NetworkAttachmentDefinition\"}]", true },
        { ",\"ownerReferences\":[{\"kind\":\"ConfigMap\"}]", false },
};

START_TEST(only_a_controllers_object_may_be_deleted)
{
        _cleanup_(slice_pool_done) struct slice_pool object = { 0 };
        char text[4096];
        struct err err;

        (void)snprintf(text, sizeof(text), OBJECT("%s", ""), managed_rows[_i].meta);
        unit_assert_ok(slice_pool_parse(text, strlen(text), &object, &err), &err);
        ck_assert_int_eq(object.head.managed, managed_rows[_i].want);
        ck_assert_str_eq(object.head.name, "net");
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, every_node_gets_a_slice, rows);
        unit_add_table(tests, what_was_written_stays, rows);
        tcase_add_test(tests, too_many_slices_are_not_listed);
        tcase_add_test(tests, a_change_is_tested_against_what_was_read);
        unit_add_table(tests, only_a_controllers_object_may_be_deleted, managed_rows);
}

UNIT_MAIN("seating", add_tests)

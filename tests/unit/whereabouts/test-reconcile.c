/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who still has an address, and since when nobody has.
 */
#include "reconcile.h"

#include "values.h"

/* A pod as the API server tells of it. */
struct given {
        const char *networks; /* the annotation; NULL: none */
        const char *phase;    /* NULL: none */
        bool deleted, evicted, working;
        const char *uid; /* NULL: "u1" */
};

#define POD(n, p)                             \
        {                                     \
                .networks = (n), .phase = (p) \
        }
#define DELETED(n, p)                                          \
        {                                                      \
                .networks = (n), .phase = (p), .deleted = true \
        }
#define EVICTED(n, p)                                                           \
        {                                                                       \
                .networks = (n), .phase = (p), .deleted = true, .evicted = true \
        }
#define TAINTED(n, p)                                          \
        {                                                      \
                .networks = (n), .phase = (p), .evicted = true \
        }
#define WORKING(n, p)                                          \
        {                                                      \
                .networks = (n), .phase = (p), .working = true \
        }
#define SECOND(n, p)                                       \
        {                                                  \
                .networks = (n), .phase = (p), .uid = "u2" \
        }

#define NET1(ips) "[{\"name\":\"n/a\",\"interface\":\"net1\",\"ips\":[" ips "]}]"
#define ETH0(ips) "[{\"name\":\"k\",\"interface\":\"eth0\",\"ips\":[" ips "],\"default\":true}]"
#define BOTH(a, b)                                                                   \
        "[{\"name\":\"k\",\"interface\":\"eth0\",\"ips\":[" a "],\"default\":true}," \
        "{\"name\":\"n/a\",\"interface\":\"net1\",\"ips\":[" b "]}]"
#define OURS  "\"10.0.0.1\""
#define OTHER "\"10.0.0.7\""

static void write_pod(const struct given *given, struct buf *buf)
{
        struct json_writer w;

        json_writer_init_compact(&w, buf);
        json_begin(&w, NULL, '{');
        json_begin(&w, "metadata", '{');
        json_put_string(&w, "namespace", "ns");
        json_put_string(&w, "name", "pod");
        json_put_string(&w, "uid", given->uid ? given->uid : "u1");
        if (given->deleted)
                json_put_string(&w, "deletionTimestamp", "2026-01-01T00:00:00Z");
        json_begin(&w, "annotations", '{');
        if (given->networks)
                json_put_string(&w, "k8s.v1.cni.cncf.io/network-status", given->networks);
        json_end(&w, '}');
        json_end(&w, '}');
        json_begin(&w, "spec", '{');
        json_put_string(&w, "nodeName", "node1");
        json_end(&w, '}');
        json_begin(&w, "status", '{');
        json_put_given(&w, "phase", given->phase);
        json_begin(&w, "conditions", '[');
        json_begin(&w, NULL, '{');
        json_put_string(&w, "type", "DisruptionTarget");
        json_put_string(&w, "status", "True");
        json_put_string(&w, "reason", given->evicted ? "DeletionByTaintManager" : "Preemption");
        json_end(&w, '}');
        json_end(&w, ']');
        json_begin(&w, "containerStatuses", '[');
        json_begin(&w, NULL, '{');
        json_begin(&w, "state", '{');
        json_begin(&w, given->working ? "running" : "terminated", '{');
        json_end(&w, '}');
        json_end(&w, '}');
        json_end(&w, '}');
        json_end(&w, ']');
        json_end(&w, '}');
        json_end(&w, '}');
}

static void make_pod(const struct given *given, struct pod *ret)
{
        struct err err = { 0 };
        struct buf buf;

        buf_init(&buf, 65536);
        write_pod(given, &buf);
        unit_assert_ok(pod_parse(buf_text(&buf), buf.len, ret, &err), &err);
        buf_done(&buf);
}

/* ---- one subject ---- */

/* One object of "ns/pod", and all that was looked at. */
struct scene {
        struct snapshot snapshot;
        struct audit audit;
        struct reconcile reconcile;
};

#define ENTRY(id, ifname) \
        "\"1\":{\"id\":\"" id "\",\"podref\":\"ns/pod\",\"ifname\":\"" ifname "\"}"
#define POOL(name, range, allocations)                               \
        "{\"metadata\":{\"name\":\"" name                            \
        "\",\"resourceVersion\":\"1\"},\"spec\":{\"range\":\"" range \
        "\",\"allocations\":{" allocations "}}}"
#define HELD(name, podref, ifname)                                                                \
        "{\"metadata\":{\"name\":\"" name "\",\"uid\":\"u-" name "\",\"resourceVersion\":\"1\"}," \
        "\"spec\":{\"podref\":\"" podref "\",\"ifname\":\"" ifname "\"}}"

#define ENTRY_OF(ifname) POOL("10.0.0.0-24", "10.0.0.0/24", ENTRY("c1", ifname))

static void set_scene(const char *pools, const char *reservations, struct scene *ret)
{
        char text[8192];
        struct err err = { 0 };

        (void)snprintf(text, sizeof(text), "{\"items\":[%s]}", pools);
        unit_assert_ok(pool_list_parse(text, strlen(text), &ret->snapshot.pools, &err), &err);
        (void)snprintf(text, sizeof(text), "{\"items\":[%s]}", reservations);
        unit_assert_ok(
                reservation_list_parse(text, strlen(text), &ret->snapshot.reservations, &err),
                &err);
        unit_assert_ok(audit_run(&ret->snapshot, &ret->audit, &err), &err);
        unit_assert_ok(reconcile_begin(&ret->audit, &ret->reconcile, &err), &err);
}

static void scene_done(struct scene *scene)
{
        reconcile_done(&scene->reconcile);
        audit_done(&scene->audit);
        snapshot_done(&scene->snapshot);
}

/* How a direct request for the pod ended. */
enum answer {
        ASKED_NOT, /* nobody wants to know */
        THERE,
        GONE,
        ERROR,
};

static void answer(struct scene *scene, enum answer how, const struct given *given,
                   enum node_sight node, bool evicted)
{
        struct holder_pod *holder = &scene->reconcile.holders[0];

        reconcile_sum_up(&scene->reconcile);
        ck_assert_int_eq(holder->suspicious, how != ASKED_NOT);
        if (how == THERE)
                make_pod(given, &holder->pod);
        holder->answered = how == THERE || how == GONE;
        holder->gone = how == GONE;
        holder->node = node;
        reconcile_judge(&scene->reconcile, evicted);
}

static const struct {
        const char *pools, *reservations;
        struct given pod;
        bool unlisted, evicted; /* no list tells of it; the option */
        enum answer how;
        enum node_sight node;
        enum verdict want;
} rows[] = {
        /* no pod: what the API server says for certain, and nothing else, counts */
        { ENTRY_OF("net1"), "", { 0 }, true, false, GONE, NODE_UNKNOWN, VERDICT_GONE },
        { ENTRY_OF("net1"), "", { 0 }, true, false, ERROR, NODE_UNKNOWN, VERDICT_UNKNOWN },
        { ENTRY_OF(""), "", { 0 }, true, false, GONE, NODE_UNKNOWN, VERDICT_GONE },
        /* it came between the list of entries and the list of pods, or after both */
        { ENTRY_OF("net1"), "", SECOND(NULL, "Pending"), true, false, THERE, NODE_UNKNOWN,
          VERDICT_LIVE },
        { ENTRY_OF("net1"), "", POD(NET1(OURS), "Running"), true, false, THERE, NODE_UNKNOWN,
          VERDICT_LIVE },
        /* it has the address: on this interface, on another, on the cluster's network */
        { ENTRY_OF("net1"), "", POD(NET1(OURS), "Running"), false, false, ASKED_NOT, NODE_UNKNOWN,
          VERDICT_LIVE },
        { ENTRY_OF("net2"), "", POD(NET1(OURS), "Running"), false, false, ASKED_NOT, NODE_UNKNOWN,
          VERDICT_LIVE },
        { ENTRY_OF("eth0"), "", POD(ETH0(OURS), "Running"), false, false, ASKED_NOT, NODE_UNKNOWN,
          VERDICT_LIVE },
        { ENTRY_OF("net1"), "", POD(NET1("\"010.0.0.1\""), "Running"), false, false, ASKED_NOT,
          NODE_UNKNOWN, VERDICT_LIVE },
        { ENTRY_OF("net1"), "", POD(NET1("\"10.0.0.1/24\""), "Running"), false, false, ASKED_NOT,
          NODE_UNKNOWN, VERDICT_LIVE },
        { POOL("fd00---64", "fd00::/64", ENTRY("c1", "net1")), "",
          POD(NET1("\"FD00:0::1\""), "Running"), false, false, ASKED_NOT, NODE_UNKNOWN,
          VERDICT_LIVE },
        { POOL("fd00---64", "fd00::/64",
               "\"0\":{\"id\":\"c1\",\"podref\":\"ns/pod\",\"ifname\":\"net1\"}"),
          "", POD(NET1("\"fd00::\""), "Running"), false, false, ASKED_NOT, NODE_UNKNOWN,
          VERDICT_LIVE },
        /* nothing is known: another program than Multus, a damaged annotation, one not yet there */
        { ENTRY_OF("net1"), "", POD(NULL, "Running"), false, false, ASKED_NOT, NODE_UNKNOWN,
          VERDICT_LIVE },
        { ENTRY_OF("net1"), "", POD("", "Running"), false, false, ASKED_NOT, NODE_UNKNOWN,
          VERDICT_LIVE },
        { ENTRY_OF("net1"), "", POD("[]", "Running"), false, false, ASKED_NOT, NODE_UNKNOWN,
          VERDICT_LIVE },
        { ENTRY_OF("net1"), "", POD("{}", "Running"), false, false, ASKED_NOT, NODE_UNKNOWN,
          VERDICT_LIVE },
        { ENTRY_OF("net1"), "", POD("[{\"interface\":\"net1\",\"ips\":[7]}]", "Running"), false,
          false, ASKED_NOT, NODE_UNKNOWN, VERDICT_LIVE },
        { ENTRY_OF("net1"), "", POD(NET1(OTHER ",\"x\""), "Running"), false, false, ASKED_NOT,
          NODE_UNKNOWN, VERDICT_LIVE },
        { ENTRY_OF("net1"), "", POD(NET1(OTHER) "x", "Running"), false, false, ASKED_NOT,
          NODE_UNKNOWN, VERDICT_LIVE },
        { ENTRY_OF("net1"), "", POD(NET1(""), "Running"), false, false, ASKED_NOT, NODE_UNKNOWN,
          VERDICT_LIVE },
        /* others are there, and its interface is not, but one interface says nothing */
        { ENTRY_OF("net2"), "", POD(BOTH(OTHER, ""), "Running"), false, false, ASKED_NOT,
          NODE_UNKNOWN, VERDICT_LIVE },
        { ENTRY_OF(""), "", POD(BOTH(OTHER, ""), "Running"), false, false, ASKED_NOT, NODE_UNKNOWN,
          VERDICT_LIVE },
        /* it has others: a proof only while it runs */
        { ENTRY_OF("net1"), "", POD(NET1(OTHER), "Running"), false, false, THERE, NODE_UNKNOWN,
          VERDICT_OTHER },
        { ENTRY_OF("net1"), "", POD(BOTH("", OTHER), "Running"), false, false, THERE, NODE_UNKNOWN,
          VERDICT_OTHER },
        { ENTRY_OF("net2"), "", POD(BOTH("\"1.2.3.4\"", OTHER), "Running"), false, false, THERE,
          NODE_UNKNOWN, VERDICT_OTHER },
        { ENTRY_OF(""), "", POD(NET1(OTHER), "Running"), false, false, THERE, NODE_UNKNOWN,
          VERDICT_OTHER },
        { ENTRY_OF("net1"), "", POD(NET1(OTHER), "Pending"), false, false, THERE, NODE_UNKNOWN,
          VERDICT_LIVE },
        { ENTRY_OF("net1"), "", POD(NET1(OTHER), "Unknown"), false, false, THERE, NODE_UNKNOWN,
          VERDICT_LIVE },
        { ENTRY_OF("net1"), "", POD(NET1(OTHER), NULL), false, false, THERE, NODE_UNKNOWN,
          VERDICT_LIVE },
        { ENTRY_OF("net1"), "", POD(NET1(OTHER), "Running"), false, false, ERROR, NODE_UNKNOWN,
          VERDICT_UNKNOWN },
        { ENTRY_OF("net1"), "", POD(NET1(OTHER), "Running"), false, false, GONE, NODE_UNKNOWN,
          VERDICT_GONE },
        { ENTRY_OF("net1"), "", POD(NET1("\"10.0.0.7/24\""), "Running"), false, false, THERE,
          NODE_UNKNOWN, VERDICT_OTHER },
        { ENTRY_OF("net1"), "", POD(NET1("\"010.0.0.7\""), "Running"), false, false, THERE,
          NODE_UNKNOWN, VERDICT_OTHER },
        /* it has ended: the list leaves it out */
        { ENTRY_OF("net1"), "", POD(NET1(OURS), "Succeeded"), true, false, THERE, NODE_UNKNOWN,
          VERDICT_ENDED },
        { ENTRY_OF("net1"), "", POD(NULL, "Failed"), true, false, THERE, NODE_UNKNOWN,
          VERDICT_ENDED },
        { ENTRY_OF("net1"), "", WORKING(NET1(OURS), "Failed"), true, false, THERE, NODE_UNKNOWN,
          VERDICT_LIVE },
        /* it is deleted, and its kubelet will say DEL, or never again */
        { ENTRY_OF("net1"), "", DELETED(NET1(OURS), "Running"), false, false, THERE, NODE_THERE,
          VERDICT_LIVE },
        { ENTRY_OF("net1"), "", DELETED(NET1(OURS), "Running"), false, false, THERE, NODE_UNKNOWN,
          VERDICT_UNKNOWN },
        { ENTRY_OF("net1"), "", DELETED(NET1(OURS), "Running"), false, false, THERE, NODE_GONE,
          VERDICT_NODE },
        { ENTRY_OF("net1"), "", DELETED(NET1(OURS), "Running"), false, false, THERE, NODE_OUT,
          VERDICT_OUT },
        { ENTRY_OF("net1"), "", DELETED(NET1(OURS), "Pending"), false, false, THERE, NODE_OUT,
          VERDICT_OUT },
        { ENTRY_OF("net1"), "", POD(NET1(OURS), "Running"), true, false, THERE, NODE_GONE,
          VERDICT_LIVE },
        /* by the taint manager: only on demand, and only once it is deleted */
        { ENTRY_OF("net1"), "", EVICTED(NET1(OURS), "Running"), false, false, THERE, NODE_THERE,
          VERDICT_LIVE },
        { ENTRY_OF("net1"), "", EVICTED(NET1(OURS), "Running"), false, true, THERE, NODE_THERE,
          VERDICT_EVICTED },
        { ENTRY_OF("net1"), "", TAINTED(NET1(OURS), "Running"), true, true, THERE, NODE_THERE,
          VERDICT_LIVE },
        { ENTRY_OF("net1"), "", DELETED(NET1(OURS), "Running"), false, true, THERE, NODE_THERE,
          VERDICT_LIVE },
        /* reservations of nobody, by all readings of their names */
        { "",
          HELD("10.0.0.1", "ns/pod", "net1"),
          { 0 },
          true,
          false,
          GONE,
          NODE_UNKNOWN,
          VERDICT_GONE },
        { "", HELD("blue-10.0.0.1", "ns/pod", "net1"), POD(NET1(OURS), "Running"), false, false,
          ASKED_NOT, NODE_UNKNOWN, VERDICT_LIVE },
        { "", HELD("blue-10.0.0.1", "ns/pod", "net1"), POD(NET1(OTHER), "Running"), false, false,
          THERE, NODE_UNKNOWN, VERDICT_OTHER },
        { "", HELD("a-fd00--1", "ns/pod", "net1"), POD(NET1("\"fd00::1\""), "Running"), false,
          false, ASKED_NOT, NODE_UNKNOWN, VERDICT_LIVE },
        { "", HELD("a-fd00--1", "ns/pod", "net1"), POD(NET1("\"a:fd00::1\""), "Running"), false,
          false, ASKED_NOT, NODE_UNKNOWN, VERDICT_LIVE },
        { "", HELD("a-fd00-1-2-3-4-5--7", "ns/pod", "net1"),
          POD(NET1("\"fd00:1:2:3:4:5:0:7\""), "Running"), false, false, ASKED_NOT, NODE_UNKNOWN,
          VERDICT_LIVE },
        { "", HELD("2001-db8--0", "ns/pod", "net1"), POD(NET1("\"2001:db8::\""), "Running"), false,
          false, ASKED_NOT, NODE_UNKNOWN, VERDICT_LIVE },
        { "", HELD("nonsense", "ns/pod", "net1"), POD(NET1(OTHER), "Running"), false, false,
          ASKED_NOT, NODE_UNKNOWN, VERDICT_LIVE },
};

START_TEST(only_a_proof_counts)
{
        struct scene scene = { 0 };

        set_scene(rows[_i].pools, rows[_i].reservations, &scene);
        ck_assert_uint_eq(scene.reconcile.subject_count, 1);
        ck_assert_str_eq(scene.reconcile.holders[0].namespace, "ns");
        ck_assert_str_eq(scene.reconcile.holders[0].name, "pod");
        if (!rows[_i].unlisted) {
                struct pod pod = { 0 };

                make_pod(&rows[_i].pod, &pod);
                reconcile_glance(&scene.reconcile, &pod);
                pod_done(&pod);
        }
        answer(&scene, rows[_i].how, &rows[_i].pod, rows[_i].node, rows[_i].evicted);
        ck_assert_str_eq(reconcile_reason(scene.reconcile.subjects[0].verdict),
                         reconcile_reason(rows[_i].want));
        scene_done(&scene);
}
END_TEST

/* ---- what is a subject at all ---- */

#define OF(podref, id)       "\"1\":{\"id\":\"" id "\",\"podref\":\"" podref "\",\"ifname\":\"net1\"}"
#define ENTRY_BY(podref, id) POOL("10.0.0.0-24", "10.0.0.0/24", OF(podref, id))

static const struct {
        const char *pools, *reservations;
        size_t want;
} subject_rows[] = {
        { "", "", 0 },
        { ENTRY_BY("ns/pod", "c1"), "", 1 },
        { ENTRY_BY("ns/pod", "c1"), HELD("10.0.0.1", "ns/pod", "net1"), 1 },
        { ENTRY_BY("ns/pod", "c1"), HELD("10.0.0.1", "ns/other", "net1"), 1 },
        { ENTRY_BY("ns/pod", "c1"), HELD("10.0.0.2", "ns/other", "net1"), 2 },
        { ENTRY_BY("ns/pod", "c1"), HELD("10.0.0.2", "ns/pod", "net1"), 2 },
        { ENTRY_BY("", "c1"), HELD("10.0.0.2", "", "net1"), 0 },
        { ENTRY_BY("ns/pod", ""), "", 0 },
        { ENTRY_BY("pod", "c1"), HELD("10.0.0.2", "pod", "net1"), 0 },
        { ENTRY_BY("/pod", "c1"), HELD("10.0.0.2", "/pod", "net1"), 0 },
        { ENTRY_BY("ns/", "c1"), HELD("10.0.0.2", "ns/", "net1"), 0 },
        { ENTRY_BY("ns/a/b", "c1"), "", 0 },
        { ENTRY_BY("ns/..", "c1"), "", 0 },
        { ENTRY_BY("../pod", "c1"), "", 0 },
        { ENTRY_BY("ns/Pod", "c1"), "", 0 },
        { ENTRY_BY("ns/p?x", "c1"), "", 0 },
        { POOL("10.0.0.0-24", "10.0.0.0/24", "\"x\":{\"id\":\"c\",\"podref\":\"ns/pod\"}"), "", 0 },
        { POOL("10.0.0.0-24", "10.0.0.0/24", "\"1\":7"), "", 0 },
        /* a pool that cannot be read may have the reservation's entry */
        { POOL("odd", "none", ""), HELD("10.0.0.2", "ns/pod", "net1"), 0 },
        { POOL("odd", "none", "") "," ENTRY_BY("ns/pod", "c1"), HELD("10.0.0.2", "ns/pod", "net1"),
          1 },
};

START_TEST(what_does_not_name_a_pod_is_nobodys_affair)
{
        struct scene scene = { 0 };

        set_scene(subject_rows[_i].pools, subject_rows[_i].reservations, &scene);
        ck_assert_uint_eq(scene.reconcile.subject_count, subject_rows[_i].want);
        scene_done(&scene);
}
END_TEST

START_TEST(each_pod_is_asked_for_once_and_found_by_its_name)
{
        static const char *const names[] = { "a-b/c", "a/b-c", "a/b", "a.b/c" };
        struct scene scene = { 0 };
        char entries[2048] = "", pool[4096];
        size_t len = 0;

        for (size_t i = 0; i < 2 * ARRAY_SIZE(names); i++)
                len += (size_t)snprintf(entries + len, sizeof(entries) - len,
                                        "%s\"%zu\":{\"id\":\"c\",\"podref\":\"%s\"}",
                                        i > 0 ? "," : "", i + 1, names[i % ARRAY_SIZE(names)]);
        (void)snprintf(pool, sizeof(pool), POOL("10.0.0.0-24", "10.0.0.0/24", "%s"), entries);
        set_scene(pool, "", &scene);
        ck_assert_uint_eq(scene.reconcile.holder_count, ARRAY_SIZE(names));
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                const struct holder_pod *holder = &scene.reconcile.holders[i];
                struct pod pod = { .namespace = holder->namespace, .name = strdup(holder->name) };

                ck_assert_uint_eq(holder->count, 2);
                reconcile_glance(&scene.reconcile, &pod);
                for (size_t j = 0; j < scene.reconcile.subject_count; j++)
                        ck_assert_int_eq(scene.reconcile.subjects[j].suspicious, j >= 2 * (i + 1));
                free(pod.name);
        }
        scene_done(&scene);
}
END_TEST

/* ---- looks ---- */

#define GRACE 300000

/* One look at one object; it lasts 100 ms. */
struct look {
        const char *pools, *reservations;
        int64_t at_ms;
        enum answer how;
        struct given pod;
        bool condemned;
};

static const struct {
        const char *name;
        struct look looks[5];
} histories[] = {
        { "it is gone for the time of grace",
          { { ENTRY_OF("net1"), "", 1000, GONE, { 0 }, false },
            { ENTRY_OF("net1"), "", 301099, GONE, { 0 }, false },
            { ENTRY_OF("net1"), "", 301100, GONE, { 0 }, true },
            { ENTRY_OF("net1"), "", 302000, GONE, { 0 }, true } } },
        { "an error in between neither counts nor is counted",
          { { ENTRY_OF("net1"), "", 1000, GONE, { 0 }, false },
            { ENTRY_OF("net1"), "", 200000, ERROR, { 0 }, false },
            { ENTRY_OF("net1"), "", 400000, ERROR, { 0 }, false },
            { ENTRY_OF("net1"), "", 500000, GONE, { 0 }, true } } },
        { "errors alone are nothing",
          { { ENTRY_OF("net1"), "", 1000, ERROR, { 0 }, false },
            { ENTRY_OF("net1"), "", 400000, ERROR, { 0 }, false },
            { ENTRY_OF("net1"), "", 800000, GONE, { 0 }, false },
            { ENTRY_OF("net1"), "", 1200000, GONE, { 0 }, true } } },
        { "a look that found it in use begins anew",
          { { ENTRY_OF("net1"), "", 1000, GONE, { 0 }, false },
            { ENTRY_OF("net1"), "", 200000, THERE, POD(NULL, "Running"), false },
            { ENTRY_OF("net1"), "", 400000, GONE, { 0 }, false },
            { ENTRY_OF("net1"), "", 700200, GONE, { 0 }, true } } },
        { "another container is another entry",
          { { ENTRY_OF("net1"), "", 1000, GONE, { 0 }, false },
            { POOL("10.0.0.0-24", "10.0.0.0/24", ENTRY("c2", "net1")),
              "",
              400000,
              GONE,
              { 0 },
              false },
            { POOL("10.0.0.0-24", "10.0.0.0/24", ENTRY("c2", "net1")),
              "",
              700100,
              GONE,
              { 0 },
              true } } },
        { "so is one in another pool",
          { { ENTRY_OF("net1"), "", 1000, GONE, { 0 }, false },
            { POOL("10.0.0.0-25", "10.0.0.0/25", ENTRY("c1", "net1")),
              "",
              400000,
              GONE,
              { 0 },
              false } } },
        { "another pod of the name is another reason",
          { { ENTRY_OF("net1"), "", 1000, THERE, POD(NET1(OTHER), "Running"), false },
            { ENTRY_OF("net1"), "", 400000, THERE, SECOND(NET1(OTHER), "Running"), false },
            { ENTRY_OF("net1"), "", 700100, THERE, SECOND(NET1(OTHER), "Running"), true } } },
        { "and so is another proof",
          { { ENTRY_OF("net1"), "", 1000, THERE, POD(NET1(OTHER), "Running"), false },
            { ENTRY_OF("net1"), "", 400000, GONE, { 0 }, false } } },
        { "an entry that went away and came back is new",
          { { ENTRY_OF("net1"), "", 1000, GONE, { 0 }, false },
            { POOL("10.0.0.0-24", "10.0.0.0/24",
                   "\"7\":{\"id\":\"c7\",\"podref\":\"ns/pod\",\"ifname\":\"net1\"}"),
              "",
              200000,
              GONE,
              { 0 },
              false },
            { ENTRY_OF("net1"), "", 400000, GONE, { 0 }, false } } },
        { "a reservation of nobody, likewise",
          { { "", HELD("10.0.0.1", "ns/pod", "net1"), 1000, GONE, { 0 }, false },
            { "", HELD("10.0.0.1", "ns/pod", "net1"), 301100, GONE, { 0 }, true } } },
        { "one that has changed is another one",
          { { "", HELD("10.0.0.1", "ns/pod", "net1"), 1000, GONE, { 0 }, false },
            { "",
              "{\"metadata\":{\"name\":\"10.0.0.1\",\"uid\":\"u-10.0.0.1\",\"resourceVersion\":"
              "\"2\"},\"spec\":{\"podref\":\"ns/pod\",\"ifname\":\"net1\"}}",
              301100,
              GONE,
              { 0 },
              false } } },
};

START_TEST(two_looks_must_find_the_same)
{
        struct suspects suspects = { 0 };
        struct err err = { 0 };

        for (const struct look *look = histories[_i].looks; look->pools; look++) {
                struct scene scene = { 0 };

                set_scene(look->pools, look->reservations, &scene);
                answer(&scene, look->how, &look->pod, NODE_UNKNOWN, false);
                unit_assert_ok(suspects_update(&suspects, &scene.reconcile, look->at_ms,
                                               look->at_ms + 100, GRACE, &err),
                               &err);
                ck_assert_msg(scene.reconcile.subjects[0].condemned == look->condemned,
                              "%s: at %jd", histories[_i].name, (intmax_t)look->at_ms);
                scene_done(&scene);
        }
        suspects_done(&suspects);
}
END_TEST

START_TEST(the_next_look_is_due_when_the_first_suspect_is)
{
        struct suspects suspects = { 0 };
        struct scene scene = { 0 };
        struct err err = { 0 };

        ck_assert(suspects_due_ms(&suspects, 0, GRACE) == INT64_MAX);
        set_scene(ENTRY_OF("net1"), HELD("10.0.0.9", "ns/pod", "net2"), &scene);
        answer(&scene, GONE, NULL, NODE_UNKNOWN, false);
        unit_assert_ok(suspects_update(&suspects, &scene.reconcile, 1000, 1500, GRACE, &err), &err);
        ck_assert_uint_eq(suspects.count, 2);
        ck_assert_int_eq(suspects_due_ms(&suspects, 1500, GRACE), 301500);
        ck_assert(suspects_due_ms(&suspects, 301500, GRACE) == INT64_MAX);
        scene_done(&scene);
        suspects_done(&suspects);
}
END_TEST

/* ---- objects ---- */

static const struct {
        const char *text;
        int out; /* -1: it makes no sense */
} nodes[] = {
        { "{}", 0 },
        { "{\"spec\":{}}", 0 },
        { "{\"spec\":{\"taints\":null}}", 0 },
        { "{\"spec\":{\"taints\":[{\"key\":\"node.kubernetes.io/unreachable\"}]}}", 0 },
        { "{\"spec\":{\"taints\":[{\"key\":\"a\"},{\"key\":\"node.kubernetes.io/out-of-service\","
          "\"effect\":\"NoExecute\"}]}}",
          1 },
        { "{\"spec\":{\"taints\":7}}", -1 },
        { "{", -1 },
};

START_TEST(a_node_is_out_of_service_by_its_taint)
{
        bool out = true;
        struct err err = { 0 };
        int r = node_parse(nodes[_i].text, strlen(nodes[_i].text), &out, &err);

        ck_assert_int_eq(r < 0, nodes[_i].out < 0);
        if (r == 0)
                ck_assert_int_eq(out, nodes[_i].out);
        else
                ck_assert(strncmp(err.msg, "Node: ", 6) == 0);
}
END_TEST

START_TEST(a_pod_that_makes_no_sense_is_an_error)
{
        static const char *const texts[] = { "", "7", "{\"metadata\":7}",
                                             "{\"status\":{\"phase\":7}}" };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                struct pod pod = { 0 };
                struct err err = { 0 };

                ck_assert_int_lt(pod_parse(texts[i], strlen(texts[i]), &pod, &err), 0);
                ck_assert(strncmp(err.msg, "Pod: ", 5) == 0);
                ck_assert_ptr_null(pod.name);
        }
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, only_a_proof_counts, rows);
        unit_add_table(tests, what_does_not_name_a_pod_is_nobodys_affair, subject_rows);
        tcase_add_test(tests, each_pod_is_asked_for_once_and_found_by_its_name);
        unit_add_table(tests, two_looks_must_find_the_same, histories);
        tcase_add_test(tests, the_next_look_is_due_when_the_first_suspect_is);
        unit_add_table(tests, a_node_is_out_of_service_by_its_taint, nodes);
        tcase_add_test(tests, a_pod_that_makes_no_sense_is_an_error);
}

UNIT_MAIN("reconcile", add_tests)

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reservations. Numbers in comments are sections of whereabouts-plugin.md.
 */
#include "overlap.h"

#include "unit.h"

#define META "\"metadata\":{\"name\":\"10.0.0.1\",\"uid\":\"u-1\",\"resourceVersion\":\"12\"}"

static struct reservation parse(const char *text)
{
        struct reservation reservation = { 0 };
        struct err err;

        unit_assert_ok(reservation_parse(text, strlen(text), &reservation, &err), &err);
        return reservation;
}

static const char *or_dash(const char *text)
{
        return text ? text : "-";
}

/* ---- names ---- */

static const struct {
        const char *network_name, *ip, *want;
} name_rows[] = {
        { NULL, "192.168.2.225", "192.168.2.225" }, /* 3.2 */
        { NULL, "2001:db9::", "2001-db9--0" },
        { NULL, "fd00::1", "fd00--1" },
        { "net-a", "fd00:1::1", "net-a-fd00-1--1" },
        { "net-a", "10.8.0.1", "net-a-10.8.0.1" },
        { NULL, "::1", "--1" },
        { NULL, "::", "--0" },
        { NULL, "FD00:0:1:2:3:4:5:6", "fd00-0-1-2-3-4-5-6" },
        { NULL, "1:2:3:4:5:6:7:0", "1-2-3-4-5-6-7-0" },
};

START_TEST(a_reservation_is_named_after_its_address)
{
        struct ip ip = { 0 };
        struct buf buf;

        ck_assert_int_eq(ip_parse(name_rows[_i].ip, &ip), 0);
        buf_init(&buf, 1000);
        reservation_name(&buf, name_rows[_i].network_name, &ip);
        ck_assert_str_eq(buf_text(&buf), name_rows[_i].want);
        buf_done(&buf);
}
END_TEST

/* ---- reading ---- */

static const struct {
        const char *spec, *want; /* want: podref, ifname, containerid */
} read_rows[] = {
        { "{\"podref\":\"ns1/pod1\",\"ifname\":\"net1\"}", "ns1/pod1 net1 -" },
        { "{\"podref\":\"ns1/pod1\",\"containerid\":\"c1\"}", "ns1/pod1 - c1" },
        { "{\"containerid\":\"\",\"podref\":\"ns1/pod1\",\"ifname\":\"\"}", "ns1/pod1 - -" },
        { "{\"containerid\":null,\"podref\":\"ns1/pod1\",\"claim\":{}}", "ns1/pod1 - -" },
        { "{}", " - -" },
        { "null", " - -" },
        /* what is odd is nobody's, so it is not ours */
        { "{\"podref\":7,\"ifname\":\"net1\",\"containerid\":\"c1\"}", " - -" },
        { "{\"podref\":\"ns1/pod1\",\"ifname\":[]}", " - -" },
        { "[]", " - -" },
};

START_TEST(the_owner_is_read)
{
        char text[512];
        struct reservation reservation;

        (void)snprintf(text, sizeof(text), "{" META ",\"spec\":%s}", read_rows[_i].spec);
        reservation = parse(text);
        ck_assert_str_eq(reservation.name, "10.0.0.1");
        ck_assert_str_eq(reservation.uid, "u-1");
        ck_assert_str_eq(reservation.resource_version, "12");
        (void)snprintf(text, sizeof(text), "%s %s %s", reservation.podref,
                       or_dash(reservation.ifname), or_dash(reservation.containerid));
        ck_assert_str_eq(text, read_rows[_i].want);
        reservation_done(&reservation);
        ck_assert_ptr_null(reservation.document);
}
END_TEST

START_TEST(metadata_alone_is_a_reservation_of_nobody)
{
        struct reservation reservation = parse(
                "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\"," META "}");

        ck_assert_str_eq(reservation.podref, "");
        reservation_done(&reservation);
}
END_TEST

static const struct {
        const char *text, *error;
} error_rows[] = {
        { "{", "OverlappingRangeIPReservation: unexpected end of JSON input" },
        { "{}", "OverlappingRangeIPReservation: it lacks a name, uid or resourceVersion" },
        { "{\"metadata\":{\"name\":\"a\",\"uid\":\"u\"}}",
          "OverlappingRangeIPReservation: it lacks a name, uid or resourceVersion" },
        { "{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"1\"}}",
          "OverlappingRangeIPReservation: it lacks a name, uid or resourceVersion" },
        { "{\"metadata\":{\"uid\":1}}",
          "OverlappingRangeIPReservation: metadata.uid: must be a string, not a number" },
};

START_TEST(an_object_that_cannot_be_named_is_an_error)
{
        const char *text = error_rows[_i].text;
        struct reservation reservation = { .name = "unchanged" };
        struct err err;

        unit_assert_err(reservation_parse(text, strlen(text), &reservation, &err), &err,
                        CNI_ERR_INTERNAL, error_rows[_i].error);
        ck_assert_str_eq(reservation.name, "unchanged");
}
END_TEST

#define ITEM(name, podref)                                                               \
        "{\"metadata\":{\"name\":\"" name "\",\"uid\":\"u\",\"resourceVersion\":\"1\"}," \
        "\"spec\":{\"podref\":\"" podref "\"}}"

START_TEST(a_list_is_searched_by_name)
{
        static const char text[] =
                "{\"items\":[" ITEM("b", "x/b") "," ITEM("c", "x/c") "," ITEM("a", "x/a") "]}";
        struct reservation_list list = { 0 };
        struct err err;

        unit_assert_ok(reservation_list_parse(text, strlen(text), &list, &err), &err);
        ck_assert_uint_eq(list.count, 3);
        ck_assert_str_eq(list.items[0].name, "a");
        ck_assert_str_eq(reservation_list_find(&list, "a")->podref, "x/a");
        ck_assert_str_eq(reservation_list_find(&list, "c")->podref, "x/c");
        ck_assert_ptr_null(reservation_list_find(&list, "d"));
        reservation_list_done(&list);
        ck_assert_ptr_null(reservation_list_find(&list, "a"));
        unit_assert_ok(reservation_list_parse("{\"items\":null}", 14, &list, &err), &err);
        ck_assert_uint_eq(list.count, 0);
        reservation_list_done(&list);
        unit_assert_err(reservation_list_parse("{\"items\":[{}]}", 14, &list, &err), &err,
                        CNI_ERR_INTERNAL,
                        "OverlappingRangeIPReservation: it lacks a name, uid or resourceVersion");
}
END_TEST

/* ---- owners ---- */

static const struct {
        const char *podref, *ifname, *containerid; /* of the reservation */
        const char *asked;                         /* podref, NULL: not known; "net1", "c1" */
        enum reservation_owner want;
} owner_rows[] = {
        { "a/x", "net1", "c1", "a/x", OWNER_CONTAINER },
        { "a/x", "net1", "c2", "a/x", OWNER_POD },
        { "a/x", "net1", NULL, "a/x", OWNER_POD },
        { "a/x", NULL, "c1", "a/x", OWNER_CONTAINER },
        { "a/x", NULL, NULL, "a/x", OWNER_POD },
        { "a/x", NULL, "c2", "a/x", OWNER_POD },
        { "a/x", "net2", "c1", "a/x", OWNER_OTHER },
        { "a/x", "net2", NULL, "a/x", OWNER_OTHER },
        { "a/y", "net1", "c1", "a/x", OWNER_OTHER },
        { "a/y", NULL, NULL, "a/x", OWNER_OTHER },
        { "", NULL, NULL, "a/x", OWNER_OTHER },
        /* a DEL that does not know its pod */
        { "a/x", "net1", "c1", NULL, OWNER_CONTAINER },
        { "a/x", "net2", "c1", NULL, OWNER_OTHER },
        { "a/x", "net1", "c2", NULL, OWNER_OTHER },
        { "a/x", "net1", NULL, NULL, OWNER_OTHER },
};

START_TEST(the_owner_is_known)
{
        const struct reservation reservation = { .podref = owner_rows[_i].podref,
                                                 .ifname = owner_rows[_i].ifname,
                                                 .containerid = owner_rows[_i].containerid };

        ck_assert_int_eq(reservation_owner(&reservation, owner_rows[_i].asked, "net1", "c1"),
                         owner_rows[_i].want);
}
END_TEST

/* ---- writing ---- */

START_TEST(bodies_are_compact)
{
        const struct reservation reservation = { .uid = "u-1", .resource_version = "12" };
        struct buf buf;

        buf_init(&buf, 4096);
        reservation_write_new(&buf, "192.168.2.226", "kube-system", "ns1/pod2", "net1", "c\"1");
        ck_assert_str_eq(buf_text(&buf),
                         "{\"kind\":\"OverlappingRangeIPReservation\",\"apiVersion\":"
                         "\"whereabouts.cni.cncf.io/v1alpha1\",\"metadata\":{\"name\":"
                         "\"192.168.2.226\",\"namespace\":\"kube-system\"},\"spec\":{\"podref\":"
                         "\"ns1/pod2\",\"ifname\":\"net1\",\"containerid\":\"c\\\"1\"}}");
        buf_done(&buf);
        reservation_write_move(&buf, &reservation, "c2");
        ck_assert_str_eq(buf_text(&buf),
                         "[{\"op\":\"test\",\"path\":\"/metadata/resourceVersion\",\"value\":"
                         "\"12\"},{\"op\":\"add\",\"path\":\"/spec/containerid\",\"value\":"
                         "\"c2\"}]");
        buf_done(&buf);
        reservation_write_delete(&buf, &reservation);
        ck_assert_str_eq(buf_text(&buf),
                         "{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\",\"preconditions\":"
                         "{\"uid\":\"u-1\",\"resourceVersion\":\"12\"}}");
        buf_done(&buf);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, a_reservation_is_named_after_its_address, name_rows);
        unit_add_table(tests, the_owner_is_read, read_rows);
        tcase_add_test(tests, metadata_alone_is_a_reservation_of_nobody);
        unit_add_table(tests, an_object_that_cannot_be_named_is_an_error, error_rows);
        tcase_add_test(tests, a_list_is_searched_by_name);
        unit_add_table(tests, the_owner_is_known, owner_rows);
        tcase_add_test(tests, bodies_are_compact);
}

UNIT_MAIN("overlap", add_tests)

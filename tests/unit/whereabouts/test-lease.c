/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases. Numbers in comments are sections of whereabouts-plugin.md.
 */
#include "lease.h"

#include "unit.h"

#define NOW_US INT64_C(1795472737426888) /* 2026-11-23T22:25:37.426888Z, as in 3.4 */
#define NOW    "2026-11-23T22:25:37.426888Z"

static const struct {
        int64_t us;
        const char *want;
} time_rows[] = {
        { NOW_US, NOW },
        { 0, "1970-01-01T00:00:00.000000Z" },
        { 7, "1970-01-01T00:00:00.000007Z" },
        { 1000000, "1970-01-01T00:00:01.000000Z" },
        { -1, "1969-12-31T23:59:59.999999Z" },
        { -1000000, "1969-12-31T23:59:59.000000Z" },
        { INT64_C(1709208000000001), "2024-02-29T12:00:00.000001Z" },
        { INT64_MAX, "294247-01-10T04:00:54.775807Z" },
};

START_TEST(times_have_six_digits)
{
        char text[LEASE_TIME_MAX];

        lease_format_time(time_rows[_i].us, text);
        ck_assert_str_eq(text, time_rows[_i].want);
}
END_TEST

/* ---- reading ---- */

static const struct {
        const char *text, *want; /* rv holder duration transitions acquire renew */
        const char *error;
} read_rows[] = {
        { "{\"kind\":\"Lease\",\"metadata\":{\"name\":\"whereabouts\",\"resourceVersion\":\"77\"},"
          "\"spec\":{\"holderIdentity\":\"ns1/pod1\",\"leaseDurationSeconds\":1,"
          "\"acquireTime\":\"A\",\"renewTime\":\"R\",\"leaseTransitions\":6}}",
          "77 ns1/pod1 1 6 A R", NULL },
        { "{\"metadata\":{\"resourceVersion\":\"1\"},\"spec\":{}}", "1  0 0  ", NULL },
        { "{\"metadata\":{\"resourceVersion\":\"1\"}}", "1  0 0  ", NULL },
        { "{\"metadata\":{\"resourceVersion\":\"1\"},\"spec\":{\"holderIdentity\":\"\","
          "\"acquireTime\":null,\"renewTime\":null,\"leaseTransitions\":null,\"strategy\":\"x\"}}",
          "1  0 0  ", NULL },
        { "{}", NULL, "Lease: it has no resourceVersion" },
        { "[", NULL, "Lease: unexpected end of JSON input" },
        { "{\"metadata\":{\"resourceVersion\":\"1\"},\"spec\":{\"leaseTransitions\":\"1\"}}", NULL,
          "Lease: spec.leaseTransitions: must be an integer, not a string" },
};

START_TEST(a_lease_is_read)
{
        const char *text = read_rows[_i].text;
        struct lease lease = { .duration_s = 77 };
        char got[256];
        struct err err;
        int r = lease_parse(text, strlen(text), &lease, &err);

        if (read_rows[_i].error) {
                unit_assert_err(r, &err, CNI_ERR_INTERNAL, read_rows[_i].error);
                ck_assert_int_eq(lease.duration_s, 77);
                return;
        }
        unit_assert_ok(r, &err);
        (void)snprintf(got, sizeof(got), "%s %s %d %d %s %s", lease.resource_version, lease.holder,
                       (int)lease.duration_s, (int)lease.transitions, lease.acquire_time,
                       lease.renew_time);
        ck_assert_str_eq(got, read_rows[_i].want);
        lease_done(&lease);
        ck_assert_ptr_null(lease.holder);
}
END_TEST

/* ---- writing ---- */

#define HEAD(rv)                                                                      \
        "{\"kind\":\"Lease\",\"apiVersion\":\"coordination.k8s.io/v1\",\"metadata\":" \
        "{\"name\":\"whereabouts\",\"namespace\":\"kube-system\"" rv "},\"spec\":"
#define SPEC(holder, duration, acquire, transitions)                            \
        "{\"holderIdentity\":\"" holder "\",\"leaseDurationSeconds\":" duration \
        ",\"acquireTime\":\"" acquire "\",\"renewTime\":\"" NOW                 \
        "\",\"leaseTransitions\":" transitions "}}"
#define RV ",\"resourceVersion\":\"77\""

static const struct {
        const char *rv, *before, *acquired; /* the Lease that was read; rv NULL: there is none */
        int64_t transitions;
        const char *holder, *want;
} write_rows[] = {
        /* 3.6, 1: a new one */
        { NULL, NULL, NULL, 0, "me", HEAD("") SPEC("me", "15", NOW, "0") },
        /* 3.5, row 2: taken from nobody, and from another */
        { "77", "", "OLD", 6, "me", HEAD(RV) SPEC("me", "15", NOW, "7") },
        { "77", "you", "OLD", 6, "me", HEAD(RV) SPEC("me", "15", NOW, "7") },
        /* 3.6, 4: renewed */
        { "77", "me", "OLD", 6, "me", HEAD(RV) SPEC("me", "15", "OLD", "6") },
        { "77", "me", "", 6, "me", HEAD(RV) SPEC("me", "15", NOW, "6") },
        /* 3.5, row 10: released */
        { "77", "me", "OLD", 6, "", HEAD(RV) SPEC("", "1", NOW, "6") },
        { "77", "", "OLD", 6, "", HEAD(RV) SPEC("", "1", NOW, "6") },
        /* the API server's type has 32 bits */
        { "77", "you", "OLD", INT32_MAX - 1, "me", HEAD(RV) SPEC("me", "15", NOW, "2147483647") },
        { "77", "you", "OLD", INT32_MAX, "me", HEAD(RV) SPEC("me", "15", NOW, "2147483647") },
};

/* A lease that owns copies of the row's texts. */
static struct lease make_lease(size_t i)
{
        struct lease lease = { .transitions = write_rows[i].transitions };

        if (write_rows[i].rv) {
                lease.resource_version = strdup(write_rows[i].rv);
                lease.holder = strdup(write_rows[i].before);
                lease.acquire_time = strdup(write_rows[i].acquired);
                lease.renew_time = strdup("OLDER");
        }
        return lease;
}

START_TEST(a_lease_is_written_as_client_go_does)
{
        struct lease lease = make_lease((size_t)_i);
        struct buf buf;

        buf_init(&buf, 4096);
        lease_write(&buf, "whereabouts", "kube-system", &lease, write_rows[_i].holder, 15, NOW_US);
        ck_assert_str_eq(buf_text(&buf), write_rows[_i].want);
        buf_done(&buf);
        lease_done(&lease);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, times_have_six_digits, time_rows);
        unit_add_table(tests, a_lease_is_read, read_rows);
        unit_add_table(tests, a_lease_is_written_as_client_go_does, write_rows);
}

UNIT_MAIN("lease", add_tests)

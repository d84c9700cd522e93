/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The documents to the byte, and the tables that are made of them.
 */
#include "report.h"

#include "values.h"

/* 2026-11-24T12:00:00Z, when the machine had run for 1000 s. */
#define REAL_MS INT64_C(1795521600000)
#define BOOT_MS INT64_C(1000000)

/* A lease with its record; the texts are constants. */
struct sample {
        struct record record;
        struct lease lease;
};

static void make_sample(struct sample *sample)
{
        static char id[] = "c1", network[] = "net", ifname[] = "eth0", netns[] = "/run/netns/a";

        *sample = (struct sample){
                .record = { .key = { id, network, ifname },
                            .netns = netns,
                            .grant = { .address = net("10.66.1.10/16"),
                                       .server = ip("10.66.0.1"),
                                       .router = ip("10.66.0.2"),
                                       .from_ms = BOOT_MS - 10000,
                                       .lease_s = 120,
                                       .t1_s = 60,
                                       .t2_s = 105 } },
                .lease = { .state = LEASE_BOUND, .tries = 0, .renewals = 3 },
        };
        sample->record.profile.client_id_len = 3;
        memcpy(sample->record.profile.client_id, "\0ab", 3);
        sample->lease.record = &sample->record;
        sample->lease.sent[MSG_DISCOVER] = 1;
        sample->lease.sent[MSG_REQUEST] = 4;
        sample->lease.received[MSG_OFFER] = 1;
        sample->lease.received[MSG_ACK] = 4;
        sample->lease.dropped[MSG_OTHER_HARDWARE] = 2;
}

/* A list as the daemon makes it. */
static void begin_list(struct json_writer *w, struct buf *buf)
{
        buf_init(buf, 1U << 20);
        json_writer_init(w, buf);
        json_begin(w, NULL, '{');
        json_put_i64(w, "version", 1);
        json_begin(w, "leases", '[');
}

static void put_sample(struct json_writer *w, const struct sample *sample, bool over,
                       const char *last_error)
{
        report_lease(w, &sample->lease, over, BOOT_MS, REAL_MS, last_error);
}

static const char *end_list(struct json_writer *w)
{
        json_end(w, ']');
        json_end(w, '}');
        return buf_text(w->buf);
}

/* ---- the list ---- */

START_TEST(a_bound_lease_has_all_members)
{
        static const char want[] = "{\n"
                                   "    \"version\": 1,\n"
                                   "    \"leases\": [\n"
                                   "        {\n"
                                   "            \"containerID\": \"c1\",\n"
                                   "            \"network\": \"net\",\n"
                                   "            \"ifname\": \"eth0\",\n"
                                   "            \"state\": \"BOUND\",\n"
                                   "            \"address\": \"10.66.1.10/16\",\n"
                                   "            \"server\": \"10.66.0.1\",\n"
                                   "            \"gateway\": \"10.66.0.2\",\n"
                                   "            \"obtained\": \"2026-11-24T11:59:50Z\",\n"
                                   "            \"renew\": \"2026-11-24T12:00:50Z\",\n"
                                   "            \"rebind\": \"2026-11-24T12:01:35Z\",\n"
                                   "            \"expires\": \"2026-11-24T12:01:50Z\",\n"
                                   "            \"tries\": 0,\n"
                                   "            \"renewals\": 3,\n"
                                   "            \"sent\": {\n"
                                   "                \"DISCOVER\": 1,\n"
                                   "                \"REQUEST\": 4\n"
                                   "            },\n"
                                   "            \"received\": {\n"
                                   "                \"OFFER\": 1,\n"
                                   "                \"ACK\": 4\n"
                                   "            },\n"
                                   "            \"dropped\": {\n"
                                   "                \"wrong chaddr\": 2\n"
                                   "            },\n"
                                   "            \"lastError\": \"no carrier\",\n"
                                   "            \"netns\": \"/run/netns/a\",\n"
                                   "            \"clientID\": \"006162\"\n"
                                   "        }\n"
                                   "    ]\n"
                                   "}";
        _cleanup_(buf_done) struct buf buf;
        struct sample sample;
        struct json_writer w;

        make_sample(&sample);
        begin_list(&w, &buf);
        put_sample(&w, &sample, false, "no carrier");
        ck_assert_str_eq(end_list(&w), want);
}
END_TEST

START_TEST(what_is_not_known_is_left_out)
{
        static const char want[] = "{\n"
                                   "    \"version\": 1,\n"
                                   "    \"leases\": [\n"
                                   "        {\n"
                                   "            \"containerID\": \"c1\",\n"
                                   "            \"network\": \"net\",\n"
                                   "            \"ifname\": \"eth0\",\n"
                                   "            \"state\": \"SELECTING\",\n"
                                   "            \"tries\": 5,\n"
                                   "            \"renewals\": 0,\n"
                                   "            \"sent\": {},\n"
                                   "            \"received\": {},\n"
                                   "            \"dropped\": {}\n"
                                   "        }\n"
                                   "    ]\n"
                                   "}";
        _cleanup_(buf_done) struct buf buf;
        struct sample sample;
        struct json_writer w;

        make_sample(&sample);
        sample.lease =
                (struct lease){ .record = &sample.record, .state = LEASE_SELECTING, .tries = 5 };
        sample.record.grant = (struct grant){ 0 };
        sample.record.netns = NULL;
        sample.record.profile.client_id_len = 0;
        begin_list(&w, &buf);
        put_sample(&w, &sample, false, "");
        ck_assert_str_eq(end_list(&w), want);
}
END_TEST

/* Makes a list of one lease; whether a text is in it. */
static bool lists(const struct sample *sample, bool over, const char *text)
{
        _cleanup_(buf_done) struct buf buf;
        struct json_writer w;

        begin_list(&w, &buf);
        put_sample(&w, sample, over, "");
        return strstr(end_list(&w), text) != NULL;
}

START_TEST(a_lease_without_end_has_no_times_to_come)
{
        struct sample sample;

        make_sample(&sample);
        sample.record.grant.lease_s = GRANT_FOREVER;
        sample.record.grant.t1_s = GRANT_FOREVER;
        sample.record.grant.t2_s = GRANT_FOREVER;
        ck_assert(lists(&sample, false, "\"obtained\": \"2026-11-24T11:59:50Z\""));
        ck_assert(!lists(&sample, false, "\"renew\""));
        ck_assert(!lists(&sample, false, "\"rebind\""));
        ck_assert(!lists(&sample, false, "\"expires\""));
}
END_TEST

START_TEST(a_lost_lease_and_one_that_runs_out_say_so)
{
        struct sample sample;

        make_sample(&sample);
        ck_assert(!lists(&sample, false, "\"lost\""));
        sample.record.lost = true;
        sample.lease.state = LEASE_SELECTING;
        ck_assert(lists(&sample, false, "\"state\": \"SELECTING\""));
        ck_assert(lists(&sample, false, "\"lost\": true"));
        ck_assert(lists(&sample, true, "\"state\": \"RUNS-OUT\""));
}
END_TEST

START_TEST(a_table_has_a_row_per_lease)
{
        static const char want[] =
                "NETWORK  CONTAINER  IFNAME  ADDRESS               SERVER     STATE      RENEW"
                "                 EXPIRES               TRIES  LAST ERROR\n"
                "net      c1         eth0    10.66.1.10/16         10.66.0.1  BOUND"
                "      2026-11-24T12:00:50Z  2026-11-24T12:01:50Z  0\n"
                "net      c1         eth0    10.66.1.10/16 (lost)  10.66.0.1  SELECTING"
                "  2026-11-24T12:00:50Z  2026-11-24T12:01:50Z  9      no?carrier\n"
                "2 leases\n";
        _cleanup_(buf_done) struct buf buf, out;
        struct err err = { 0 };
        struct sample sample;
        struct json_writer w;

        make_sample(&sample);
        begin_list(&w, &buf);
        put_sample(&w, &sample, false, "");
        sample.record.lost = true;
        sample.lease.state = LEASE_SELECTING;
        sample.lease.tries = 9;
        put_sample(&w, &sample, false, "no\033carrier");
        buf_init(&out, 1U << 20);
        unit_assert_ok(report_list_table(end_list(&w), &out, &err), &err);
        ck_assert_str_eq(buf_text(&out), want);
}
END_TEST

START_TEST(without_leases_there_is_no_table)
{
        static const struct {
                const char *document, *want;
        } rows[] = {
                { "{\"version\":1,\"leases\":[]}", "0 leases\n" },
                { "{\"version\":1}", "0 leases\n" },
                { "{\"leases\":[{}]}", "NETWORK  CONTAINER  IFNAME  ADDRESS  SERVER  STATE  RENEW"
                                       "  EXPIRES  TRIES  LAST ERROR\n"
                                       "                                                         "
                                       "           0\n"
                                       "1 lease\n" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                _cleanup_(buf_done) struct buf out;
                struct err err = { 0 };

                buf_init(&out, 1U << 20);
                unit_assert_ok(report_list_table(rows[i].document, &out, &err), &err);
                ck_assert_str_eq(buf_text(&out), rows[i].want);
        }
}
END_TEST

START_TEST(the_keys_of_a_list_are_read)
{
        _cleanup_(key_list_done) struct key_list list = { 0 };
        _cleanup_(buf_done) struct buf buf;
        static char other[] = "c2";
        struct err err = { 0 };
        struct sample sample;
        struct json_writer w;

        make_sample(&sample);
        begin_list(&w, &buf);
        put_sample(&w, &sample, false, "");
        sample.record.key.container_id = other;
        put_sample(&w, &sample, true, "");
        unit_assert_ok(report_read_keys(end_list(&w), &list, &err), &err);
        ck_assert_uint_eq(list.count, 2);
        ck_assert_str_eq(list.items[0].container_id, "c1");
        ck_assert_str_eq(list.items[0].network, "net");
        ck_assert_str_eq(list.items[0].ifname, "eth0");
        ck_assert(key_equal(&list.items[1], &sample.record.key));
}
END_TEST

static const struct {
        const char *document, *want;
} bad_lists[] = {
        { "", "unexpected end of JSON input" },
        { "{\"leases\":{}}", "leases: must be a list, not an object" },
        { "{\"leases\":[7]}", "leases[0]: must be an object, not a number" },
        { "{\"leases\":[{\"containerID\":7}]}",
          "leases[0].containerID: must be a string, not a number" },
};

START_TEST(a_list_that_is_none_is_refused)
{
        _cleanup_(key_list_done) struct key_list list = { 0 };
        _cleanup_(buf_done) struct buf out;
        struct err err = { 0 };
        char want[256];

        (void)snprintf(want, sizeof(want), "the daemon's list: %s", bad_lists[_i].want);
        unit_assert_err(report_read_keys(bad_lists[_i].document, &list, &err), &err, CNI_ERR_DECODE,
                        want);
        buf_init(&out, 1U << 20);
        unit_assert_err(report_list_table(bad_lists[_i].document, &out, &err), &err, CNI_ERR_DECODE,
                        want);
        ck_assert_uint_eq(out.len, 0);
}
END_TEST

/* ---- the daemon ---- */

START_TEST(the_daemon_tells_of_itself)
{
        static const char want[] = "{\n"
                                   "    \"version\": 1,\n"
                                   "    \"pid\": 4711,\n"
                                   "    \"since\": \"2026-11-24T12:00:00Z\",\n"
                                   "    \"socket\": \"/run/cni/dhcp.sock\",\n"
                                   "    \"watch\": true,\n"
                                   "    \"connections\": 2,\n"
                                   "    \"leases\": 3,\n"
                                   "    \"states\": {\n"
                                   "        \"SELECTING\": 1,\n"
                                   "        \"BOUND\": 1,\n"
                                   "        \"RUNS-OUT\": 1\n"
                                   "    },\n"
                                   "    \"renewals\": 9,\n"
                                   "    \"sent\": {\n"
                                   "        \"DISCOVER\": 3,\n"
                                   "        \"REQUEST\": 12\n"
                                   "    },\n"
                                   "    \"received\": {\n"
                                   "        \"OFFER\": 3,\n"
                                   "        \"ACK\": 12\n"
                                   "    },\n"
                                   "    \"dropped\": {\n"
                                   "        \"wrong chaddr\": 6\n"
                                   "    }\n"
                                   "}\n";
        static const char table[] = "socket       /run/cni/dhcp.sock\n"
                                    "process      4711, since 2026-11-24T12:00:00Z\n"
                                    "leases       3: SELECTING 1, BOUND 1, RUNS-OUT 1\n"
                                    "renewals     9\n"
                                    "sent         DISCOVER 3, REQUEST 12\n"
                                    "received     OFFER 3, ACK 12\n"
                                    "dropped      wrong chaddr 6\n"
                                    "connections  2\n"
                                    "containers   watched by events\n";
        struct report_info info = {
                .pid = 4711,
                .since_real_ms = REAL_MS,
                .socket = "/run/cni/dhcp.sock",
                .watch_all = true,
                .connections = 2,
        };
        _cleanup_(buf_done) struct buf buf, out;
        struct err err = { 0 };
        struct sample sample;

        make_sample(&sample);
        report_count(&info, &sample.lease, false);
        sample.lease.state = LEASE_SELECTING;
        report_count(&info, &sample.lease, false);
        report_count(&info, &sample.lease, true);
        buf_init(&buf, 1U << 20);
        buf_init(&out, 1U << 20);
        report_info(&info, &buf);
        ck_assert_str_eq(buf_text(&buf), want);
        unit_assert_ok(report_info_table(buf_text(&buf), &out, &err), &err);
        ck_assert_str_eq(buf_text(&out), table);
}
END_TEST

START_TEST(an_idle_daemon_has_a_short_table)
{
        static const char table[] = "socket       /s\n"
                                    "process      1, since 1970-01-01T00:00:00Z\n"
                                    "leases       0\n"
                                    "renewals     0\n"
                                    "connections  0\n"
                                    "containers   looked at once a minute\n";
        const struct report_info info = { .pid = 1, .socket = "/s" };
        _cleanup_(buf_done) struct buf buf, out;
        struct err err = { 0 };

        buf_init(&buf, 1U << 20);
        buf_init(&out, 1U << 20);
        report_info(&info, &buf);
        unit_assert_ok(report_info_table(buf_text(&buf), &out, &err), &err);
        ck_assert_str_eq(buf_text(&out), table);
}
END_TEST

START_TEST(a_status_that_is_none_is_refused)
{
        static const struct {
                const char *document, *want;
        } rows[] = {
                { "{", "the daemon's status: unexpected end of JSON input" },
                { "{\"sent\":{\"DISCOVER\":\"x\"}}",
                  "the daemon's status: sent.DISCOVER: must be an integer, not a string" },
                { "{\"pid\":\"1\"}", "the daemon's status: pid: must be an integer, not a string" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                _cleanup_(buf_done) struct buf out;
                struct err err = { 0 };

                buf_init(&out, 1U << 20);
                unit_assert_err(report_info_table(rows[i].document, &out, &err), &err,
                                CNI_ERR_DECODE, rows[i].want);
                ck_assert_uint_eq(out.len, 0);
        }
}
END_TEST

/* Counters of a daemon that knows more than this program, or that is none. */
START_TEST(more_counters_than_a_line_holds_are_cut)
{
        _cleanup_(buf_done) struct buf document, out;
        struct err err = { 0 };

        buf_init(&document, 1U << 20);
        buf_puts(&document, "{\"sent\":{");
        for (unsigned i = 0; i < 1000; i++)
                buf_printf(&document, "%s\"COUNTER%u\":%u", i > 0 ? "," : "", i, i);
        buf_puts(&document, "}}");
        buf_init(&out, 1U << 20);
        unit_assert_ok(report_info_table(buf_text(&document), &out, &err), &err);
        ck_assert_ptr_nonnull(strstr(buf_text(&out), "COUNTER0 0, COUNTER1 1"));
        ck_assert_uint_lt(out.len, 2048);
}
END_TEST

/* ---- release ---- */

START_TEST(a_release_is_counted)
{
        _cleanup_(buf_done) struct buf out;

        buf_init(&out, 4096);
        report_released_line(1, &out);
        report_released_line(0, &out);
        report_released_json(2, &out);
        ck_assert_str_eq(buf_text(&out), "released 1 lease\nreleased 0 leases\n"
                                         "{\n    \"version\": 1,\n    \"released\": 2\n}\n");
}
END_TEST

static void add(TCase *tests)
{
        tcase_add_test(tests, a_bound_lease_has_all_members);
        tcase_add_test(tests, what_is_not_known_is_left_out);
        tcase_add_test(tests, a_lease_without_end_has_no_times_to_come);
        tcase_add_test(tests, a_lost_lease_and_one_that_runs_out_say_so);
        tcase_add_test(tests, a_table_has_a_row_per_lease);
        tcase_add_test(tests, without_leases_there_is_no_table);
        tcase_add_test(tests, the_keys_of_a_list_are_read);
        unit_add_table(tests, a_list_that_is_none_is_refused, bad_lists);
        tcase_add_test(tests, the_daemon_tells_of_itself);
        tcase_add_test(tests, an_idle_daemon_has_a_short_table);
        tcase_add_test(tests, a_status_that_is_none_is_refused);
        tcase_add_test(tests, more_counters_than_a_line_holds_are_cut);
        tcase_add_test(tests, a_release_is_counted);
}

UNIT_MAIN("report", add)

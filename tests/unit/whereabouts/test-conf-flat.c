/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flat file: where it is, what counts there alone, and that an error never shows a file.
 */
#include "conf-flat.h"

#include "compose.h"

/* ---- the node ---- */

/* "LEASE/RENEW/RETRY LOCKING LOG LEVEL", and whose the log is. */
static void describe_node(const struct conf_node *node, struct buf *buf)
{
        buf_printf(buf, "%d/%d/%d", (int)node->lease_duration_ms, (int)node->renew_deadline_ms,
                   (int)node->retry_period_ms);
        buf_puts(buf, node->locking == LOCKING_OPTIMISTIC ? " optimistic" : "");
        buf_printf(buf, " %s", node->log_file ? node->log_file : "-");
        buf_puts(buf, node->log_file_is_tenants ? " tenant's" : "");
        buf_puts(buf, node->log_file_is_ignored ? " ignored" : "");
        buf_printf(buf, " %d", (int)node->log_level);
}

static const struct {
        const char *ipam, *flat, *want;
} node_rows[] = {
        { "", "", "1500/1000/500 - 0" },
        { "",
          ",\"leader_lease_duration\":3000,\"leader_renew_deadline\":2000,"
          "\"leader_retry_period\":1000",
          "3000/2000/1000 - 0" },
        { "", ",\"leader_lease_duration\":0,\"leader_renew_deadline\":0,\"leader_retry_period\":0",
          "1500/1000/500 - 0" },
        { "", ",\"leader_lease_duration\":1001,\"leader_retry_period\":833", "1001/1000/833 - 0" },
        { "", ",\"leader_renew_deadline\":2,\"leader_retry_period\":1", "1500/2/1 - 0" },
        { "", ",\"leader_lease_duration\":86400000", "86400000/1000/500 - 0" },
        { "", ",\"locking\":\"lease\"", "1500/1000/500 - 0" },
        { "", ",\"locking\":\"\"", "1500/1000/500 - 0" },
        { "", ",\"locking\":\"optimistic\"", "1500/1000/500 optimistic - 0" },
        /* a tenant has no say in these */
        { ",\"locking\":\"optimistic\",\"leader_lease_duration\":9000", "", "1500/1000/500 - 0" },
        { ",\"locking\":\"lease\"", ",\"locking\":\"optimistic\"", "1500/1000/500 optimistic - 0" },
        /* the log */
        { "", ",\"log_file\":\"/root/x\",\"log_level\":\"Error\"", "1500/1000/500 /root/x 3" },
        { ",\"log_file\":\"/var/log/a/b\",\"log_level\":\"VERbose\"",
          ",\"log_file\":\"/root/x\",\"log_level\":\"error\"",
          "1500/1000/500 /var/log/a/b tenant's 2" },
        { ",\"log_file\":\"\",\"log_level\":\"\"",
          ",\"log_file\":\"/root/x\",\"log_level\":\"panic\"", "1500/1000/500 /root/x 4" },
        { ",\"log_file\":\"/etc/shadow\",\"log_level\":\"debug\"", "",
          "1500/1000/500 - ignored 1" },
        { ",\"log_file\":\"/etc/shadow\"", ",\"log_file\":\"/root/x\"",
          "1500/1000/500 /root/x ignored 0" },
        { ",\"log_file\":\"/var/log/../../etc/x\"", "", "1500/1000/500 - ignored 0" },
        { ",\"log_file\":\"/var/log/..\"", "", "1500/1000/500 - ignored 0" },
        { ",\"log_file\":\"/var/logs/x\"", "", "1500/1000/500 - ignored 0" },
        { ",\"log_file\":\"var/log/x\"", "", "1500/1000/500 - ignored 0" },
        { ",\"log_file\":\"/var/log/\"", "", "1500/1000/500 - ignored 0" },
        { ",\"log_level\":\"loud\"", ",\"log_level\":\"error\"", "1500/1000/500 - 0" },
};

START_TEST(the_node_is_the_administrators)
{
        char config[512], flat[512];
        struct conf conf = { 0 };
        struct err err;
        struct buf buf;

        (void)snprintf(config, sizeof(config), "{" V "\"ipam\":{\"type\":\"whereabouts\"%s}}",
                       node_rows[_i].ipam);
        (void)snprintf(flat, sizeof(flat), "{" K "%s}", node_rows[_i].flat);
        unit_assert_ok(compose(config, flat, POD, CONF_ADD, &conf, &err), &err);
        buf_init(&buf, 4000);
        describe_node(&conf.node, &buf);
        ck_assert_str_eq(buf_text(&buf), node_rows[_i].want);
        buf_done(&buf);
        conf_done(&conf);
}
END_TEST

#define TIMINGS(l, r, p)                                                      \
        "{" K ",\"leader_lease_duration\":" l ",\"leader_renew_deadline\":" r \
        ",\"leader_retry_period\":" p "}"
#define LEASE_TEXT "leader_lease_duration in /etc/flat must be at least 1000 and at most one day"
#define RENEW_TEXT                                                             \
        "leader_renew_deadline in /etc/flat must be at least 1 and less than " \
        "leader_lease_duration"
#define RETRY_TEXT                                                           \
        "leader_retry_period in /etc/flat must be at least 1 and less than " \
        "leader_renew_deadline / 1.2"

static const struct {
        const char *flat, *msg;
} bad_timings[] = {
        { TIMINGS("999", "500", "100"), LEASE_TEXT },
        { TIMINGS("-1500", "1000", "500"), LEASE_TEXT },
        { TIMINGS("86400001", "1000", "500"), LEASE_TEXT },
        { TIMINGS("9223372036854775807", "9223372036854775806", "9223372036854775805"),
          LEASE_TEXT },
        { TIMINGS("1500", "1500", "500"), RENEW_TEXT },
        { TIMINGS("1500", "-1", "500"), RENEW_TEXT },
        { TIMINGS("1000", "0", "500"), RENEW_TEXT }, /* 0 is the default, 1000 */
        { TIMINGS("1500", "1200", "1000"), RETRY_TEXT },
        { TIMINGS("1500", "1000", "-1"), RETRY_TEXT },
        { TIMINGS("1500", "1", "1"), RETRY_TEXT },
};

START_TEST(bad_timings_are_told_and_not_tried)
{
        struct conf conf = { 0 };
        struct err err;

        unit_assert_err(compose(IPAM("\"x\":1"), bad_timings[_i].flat, POD, CONF_ADD, &conf, &err),
                        &err, CNI_ERR_INTERNAL, bad_timings[_i].msg);
        ck_assert_ptr_nonnull(strstr(err.details, "leader_lease_duration "));
        /* What holds addresses is let go all the same, under the default timings. */
        unit_assert_ok(
                compose(IPAM("\"x\":1"), bad_timings[_i].flat, POD, CONF_RELEASE, &conf, &err),
                &err);
        ck_assert_int_eq(conf.node.lease_duration_ms, 1500);
        ck_assert_int_eq(conf.node.renew_deadline_ms, 1000);
        ck_assert_int_eq(conf.node.retry_period_ms, 500);
        conf_done(&conf);
}
END_TEST

/* ---- files ---- */

/* Trusts the directory of a test. */
struct place {
        char dir[UNIT_PATH_MAX];
        char *root;
        struct trust trust;
};

static void make_place(struct place *place)
{
        unit_dir(place->dir);
        place->root = place->dir;
        place->trust = (struct trust){ .roots = &place->root, .count = 1 };
}

START_TEST(the_places_of_the_flat_file_are_known)
{
        static const char *const want[] = {
                "/etc/kubernetes/cni/net.d/whereabouts.d/whereabouts.conf",
                "/etc/cni/net.d/whereabouts.d/whereabouts.conf",
                "/host/etc/cni/net.d/whereabouts.d/whereabouts.conf",
                "/var/lib/rancher/k3s/agent/etc/cni/net.d/whereabouts.d/whereabouts.conf",
                "/var/lib/rancher/rke2/agent/etc/cni/net.d/whereabouts.d/whereabouts.conf",
                "/host/var/lib/rancher/k3s/agent/etc/cni/net.d/whereabouts.d/whereabouts.conf",
                "/host/var/lib/rancher/rke2/agent/etc/cni/net.d/whereabouts.d/whereabouts.conf",
        };

        ck_assert_uint_eq(conf_path_count, ARRAY_SIZE(want));
        for (size_t i = 0; i < conf_path_count; i++)
                ck_assert_str_eq(conf_paths[i], want[i]);
}
END_TEST

/* Where a file lies: `first` is configuration_path, `a` and `b` are defaults. Content is JSON. */
static const struct {
        const char *present; /* words: files in the test's directory, d/ for a directory */
        const char *first;
        const char *want; /* the file that counts; NULL: none */
} search_rows[] = {
        { "first a b", "first", "first" },
        { "a b", NULL, "a" },
        { "a b", "", "a" },
        { "b", "first", "b" },
        { "a b", "absent/deeper", "a" },
        { "", "first", NULL },
        { "", NULL, NULL },
        { "first/ first/whereabouts.conf a", "first", "first/whereabouts.conf" },
        { "first/ first/whereabouts.conf a", "first/", "first/whereabouts.conf" },
        { "first/ b", "first", "b" }, /* a directory without the file */
};

START_TEST(the_first_file_that_exists_counts)
{
        char first[UNIT_PATH_MAX], a[UNIT_PATH_MAX], b[UNIT_PATH_MAX], want[UNIT_PATH_MAX],
                words[256], *rest = words, *word;
        const char *const defaults[] = { a, b };
        struct flat flat = { 0 };
        struct place place;
        struct err err;
        int r;

        make_place(&place);
        (void)snprintf(words, sizeof(words), "%s", search_rows[_i].present);
        while ((word = strsep(&rest, " ")))
                if (*word && word[strlen(word) - 1] == '/')
                        ck_assert_int_eq(mkdir(unit_path(place.dir, word, want), 0755), 0);
                else if (*word)
                        unit_write(place.dir, word, "{}");
        unit_path(place.dir, "a", a);
        unit_path(place.dir, "b", b);
        if (search_rows[_i].first && *search_rows[_i].first)
                unit_path(place.dir, search_rows[_i].first, first);
        else
                first[0] = '\0';
        r = flat_find(search_rows[_i].first ? first : NULL, defaults, 2, &place.trust, &flat, &err);
        if (search_rows[_i].want) {
                unit_assert_ok(r, &err);
                ck_assert_str_eq(flat.path, unit_path(place.dir, search_rows[_i].want, want));
                ck_assert_ptr_nonnull(flat.document);
        } else {
                unit_assert_err(r, &err, CNI_ERR_INTERNAL, "config file not found");
        }
        flat_done(&flat);
}
END_TEST

/* Reads through configuration_path with a file of this content; the error must not show it. */
static void read_content(const char *content, const char *reason)
{
        char path[UNIT_PATH_MAX], want[2 * UNIT_PATH_MAX];
        struct flat flat = { 0 };
        struct place place;
        struct err err;

        make_place(&place);
        unit_write(place.dir, "f", content);
        unit_path(place.dir, "f", path);
        (void)snprintf(want, sizeof(want), "LoadIPAMConfig Flatfile (%s) - JSON Parsing Error: %s",
                       path, reason);
        unit_assert_err(flat_find(path, NULL, 0, &place.trust, &flat, &err), &err, CNI_ERR_INTERNAL,
                        want);
        ck_assert_str_eq(err.details, "");
}

START_TEST(an_error_never_shows_what_stands_in_a_file)
{
        read_content("root:$y$secret:1\n", "invalid character looking for beginning of value");
        read_content("'x", "invalid character looking for beginning of value");
        read_content("{\"a\":1} s", "invalid character after top-level value");
        read_content("{\"a\" \t's", "invalid character after object key");
        read_content("\xffsecret", "invalid character looking for beginning of value");
        read_content("trux", "invalid character in a literal (true, false or null)");
        read_content("", "unexpected end of JSON input");
        read_content("{\"a\":\"secret", "unexpected end of JSON input");
}
END_TEST

START_TEST(a_file_that_may_not_be_opened_is_named)
{
        char path[UNIT_PATH_MAX], want[3 * UNIT_PATH_MAX];
        const char *const defaults[] = { path };
        struct flat flat = { 0 };
        struct place place;
        struct err err;

        make_place(&place);
        /* not below an allowed root: at once, whether it exists or not */
        unit_assert_err(flat_find("/nowhere/at/all", NULL, 0, &place.trust, &flat, &err), &err,
                        CNI_ERR_INTERNAL,
                        "error opening flat configuration file @ /nowhere/at/all with: "
                        "/nowhere/at/all is not below a directory that configuration may name");
        unit_assert_err(flat_find("relative", NULL, 0, &place.trust, &flat, &err), &err,
                        CNI_ERR_INTERNAL,
                        "error opening flat configuration file @ relative with: relative is not "
                        "below a directory that configuration may name");
        /* a file that everybody may write */
        unit_write(place.dir, "f", "{}");
        unit_path(place.dir, "f", path);
        ck_assert_int_eq(chmod(path, 0666), 0);
        (void)snprintf(want, sizeof(want),
                       "error opening flat configuration file @ %s with: %s is not trusted: 'f' is "
                       "writable by everyone",
                       path, path);
        unit_assert_err(flat_find(path, NULL, 0, &place.trust, &flat, &err), &err, CNI_ERR_INTERNAL,
                        want);
        unit_assert_err(flat_find(NULL, defaults, 1, &place.trust, &flat, &err), &err,
                        CNI_ERR_INTERNAL, want);
        /* something below a file */
        ck_assert_int_eq(chmod(path, 0644), 0);
        unit_path(place.dir, "f/g", path);
        (void)snprintf(want, sizeof(want),
                       "error opening flat configuration file @ %s with: open %s: not a directory",
                       path, path);
        unit_assert_err(flat_find(NULL, defaults, 1, &place.trust, &flat, &err), &err,
                        CNI_ERR_INTERNAL, want);
        /* a directory in the place of a default */
        ck_assert_int_eq(mkdir(unit_path(place.dir, "d", path), 0755), 0);
        (void)snprintf(want, sizeof(want),
                       "LoadIPAMConfig Flatfile (%s) - io.ReadAll error: read %s: is a directory",
                       path, path);
        unit_assert_err(flat_find(NULL, defaults, 1, &place.trust, &flat, &err), &err,
                        CNI_ERR_INTERNAL, want);
        ck_assert(!flat.path && !flat.document);
}
END_TEST

/* A directory of somebody else on the way to a default matters only if the default is there. */
START_TEST(a_default_that_is_not_there_needs_no_trust)
{
        char path[UNIT_PATH_MAX], dir[UNIT_PATH_MAX];
        const char *const defaults[] = { path };
        struct flat flat = { 0 };
        struct place place;
        struct err err;

        make_place(&place);
        ck_assert_int_eq(mkdir(unit_path(place.dir, "d", dir), 0755), 0);
        ck_assert_int_eq(chmod(dir, 0777), 0);
        unit_path(place.dir, "d/f", path);
        unit_assert_err(flat_find(NULL, defaults, 1, &place.trust, &flat, &err), &err,
                        CNI_ERR_INTERNAL, "config file not found");
        unit_write(place.dir, "d/f", "{}");
        ck_assert_int_lt(flat_find(NULL, defaults, 1, &place.trust, &flat, &err), 0);
        ck_assert_ptr_nonnull(strstr(err.msg, "is not trusted: 'd' is writable by everyone"));
        /* but a tenant who names it is told nothing about it */
        ck_assert_int_eq(unlink(path), 0);
        ck_assert_int_lt(flat_find(path, NULL, 0, &place.trust, &flat, &err), 0);
        ck_assert_ptr_nonnull(strstr(err.msg, "is not trusted: 'd' is writable by everyone"));
}
END_TEST

START_TEST(a_flat_file_has_a_ceiling)
{
        static char content[CNI_CONFIG_MAX + 2];
        char path[UNIT_PATH_MAX], want[2 * UNIT_PATH_MAX];
        struct flat flat = { 0 };
        struct place place;
        struct err err;

        make_place(&place);
        memset(content, ' ', CNI_CONFIG_MAX);
        content[0] = '7';
        unit_write_bytes(place.dir, "f", content, CNI_CONFIG_MAX);
        unit_path(place.dir, "f", path);
        unit_assert_ok(flat_find(path, NULL, 0, &place.trust, &flat, &err), &err);
        flat_done(&flat);
        unit_write_bytes(place.dir, "f", content, CNI_CONFIG_MAX + 1);
        (void)snprintf(want, sizeof(want), "LoadIPAMConfig Flatfile (%s): more than 1048576 bytes",
                       path);
        unit_assert_err(flat_find(path, NULL, 0, &place.trust, &flat, &err), &err, CNI_ERR_INTERNAL,
                        want);
}
END_TEST

/* Reads with configuration_path = the file "f" of the place, which has this content. */
static int read_call(const struct place *place, const char *members, const char *content,
                     enum conf_use use, struct conf *ret, struct err *err)
{
        char config[2048];
        struct unit_call call;
        int r;

        unit_write(place->dir, "f", content);
        (void)snprintf(config, sizeof(config),
                       "{" V
                       "\"ipam\":{\"type\":\"whereabouts\",\"configuration_path\":\"%s/f\"%s}}",
                       place->dir, members);
        unit_call(&call, config, "net1", POD);
        r = conf_read(&call.call, use, &place->trust, ret, err);
        unit_call_done(&call);
        return r;
}

START_TEST(a_call_is_read_with_its_flat_file)
{
        char path[UNIT_PATH_MAX], want[2 * UNIT_PATH_MAX], text[IP_TEXT_MAX];
        struct conf conf = { 0 };
        struct place place;
        struct err err;

        make_place(&place);
        unit_assert_ok(read_call(&place, ",\"range\":\"10.0.0.0/24\"",
                                 "{" K ",\"gateway\":\"10.0.0.1\",\"log_file\":\"/l\"}", CONF_ADD,
                                 &conf, &err),
                       &err);
        ck_assert_uint_eq(conf.request.range_count, 1);
        ck_assert_str_eq(ip_format(&conf.gateway, text), "10.0.0.1");
        ck_assert_str_eq(conf.node.flat_file, unit_path(place.dir, "f", path));
        ck_assert_str_eq(conf.node.log_file, "/l");
        conf_done(&conf);
        (void)snprintf(want, sizeof(want),
                       "LoadIPAMConfig Flatfile (%s) - JSON Parsing Error: gateway: must be a "
                       "string, not a number",
                       path);
        unit_assert_err(read_call(&place, "", "{\"gateway\":7}", CONF_ADD, &conf, &err), &err,
                        CNI_ERR_INTERNAL, want);
}
END_TEST

START_TEST(slices_need_the_name_of_the_node)
{
        struct conf conf = { 0 };
        struct place place;
        struct err err;

        make_place(&place);
        ck_assert_int_eq(setenv("NODENAME", "node-a.example.org", 1), 0);
        unit_assert_ok(read_call(&place, ",\"range\":\"10.0.0.0/8\",\"node_slice_size\":\"/22\"",
                                 "{" K "}", CONF_ADD, &conf, &err),
                       &err);
        ck_assert_str_eq(conf.request.node, "node-a.example.org");
        ck_assert_str_eq(conf.request.slice_pool, "mynet");
        conf_done(&conf);
        /* A name that no object can have. */
        ck_assert_int_eq(setenv("NODENAME", "a/../b", 1), 0);
        ck_assert_int_lt(read_call(&place, ",\"range\":\"10.0.0.0/8\",\"node_slice_size\":\"/22\"",
                                   "{" K "}", CONF_ADD, &conf, &err),
                         0);
        ck_assert_ptr_nonnull(strstr(err.msg, "'a/../b'"));
        unit_assert_ok(read_call(&place, ",\"range\":\"10.0.0.0/8\",\"node_slice_size\":\"/22\"",
                                 "{" K "}", CONF_RELEASE, &conf, &err),
                       &err);
        ck_assert(conf.request.range_count == 0 && !conf.request.slice_pool && !conf.request.node);
        conf_done(&conf);
        /* Nobody asks for it without slices. */
        unit_assert_ok(
                read_call(&place, ",\"range\":\"10.0.0.0/8\"", "{" K "}", CONF_ADD, &conf, &err),
                &err);
        ck_assert_ptr_null(conf.request.node);
        conf_done(&conf);
}
END_TEST

START_TEST(a_sub_command_reads_the_flat_file_alone)
{
        char path[UNIT_PATH_MAX];
        struct conf_node node = { 0 };
        struct place place;
        struct err err;
        struct buf buf;

        make_place(&place);
        unit_path(place.dir, "f", path);
        unit_assert_err(conf_read_node(path, &place.trust, &node, &err), &err, CNI_ERR_INTERNAL,
                        "config file not found");
        unit_write(place.dir, "f",
                   "{" K ",\"locking\":\"optimistic\",\"leader_lease_duration\":2000,"
                   "\"log_file\":\"/root/x\",\"log_level\":\"error\"}");
        unit_assert_ok(conf_read_node(path, &place.trust, &node, &err), &err);
        buf_init(&buf, 4000);
        describe_node(&node, &buf);
        ck_assert_str_eq(buf_text(&buf), "2000/1000/500 optimistic /root/x 3");
        buf_done(&buf);
        ck_assert_str_eq(node.flat_file, path);
        ck_assert_str_eq(node.kubeconfig, "/etc/k");
        conf_node_done(&node);
        ck_assert(!node.flat_file && !node.kubeconfig && !node.log_file);
        unit_write(place.dir, "f", "{}");
        unit_assert_err(conf_read_node(path, &place.trust, &node, &err), &err, CNI_ERR_INTERNAL,
                        STORAGE);
        unit_write(place.dir, "f", TIMINGS("5", "4", "3"));
        ck_assert_int_lt(conf_read_node(path, &place.trust, &node, &err), 0);
        ck_assert_ptr_null(node.flat_file);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, the_node_is_the_administrators, node_rows);
        unit_add_table(tests, bad_timings_are_told_and_not_tried, bad_timings);
        tcase_add_test(tests, the_places_of_the_flat_file_are_known);
        unit_add_table(tests, the_first_file_that_exists_counts, search_rows);
        tcase_add_test(tests, an_error_never_shows_what_stands_in_a_file);
        tcase_add_test(tests, a_file_that_may_not_be_opened_is_named);
        tcase_add_test(tests, a_default_that_is_not_there_needs_no_trust);
        tcase_add_test(tests, a_flat_file_has_a_ceiling);
        tcase_add_test(tests, a_call_is_read_with_its_flat_file);
        tcase_add_test(tests, slices_need_the_name_of_the_node);
        tcase_add_test(tests, a_sub_command_reads_the_flat_file_alone);
}

UNIT_MAIN("conf-flat", add_tests)

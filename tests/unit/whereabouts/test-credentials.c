/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of whereabouts.d: what stands in them, when they are written, and whose token it is.
 */
#include "credentials.h"

#include "core/clock.h"
#include "http/server.h"

#define CA "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"

/* The pod's own credentials, in a form that need not be freed. */
static struct kubeconfig make_own(void)
{
        static char server[] = "https://[fd00::1]:443", namespace[] = "kube-system",
                    context[] = "in-cluster", ca[] = CA, token[] = "own-token";

        return (struct kubeconfig){ .server = server,
                                    .namespace = namespace,
                                    .context = context,
                                    .ca = ca,
                                    .token = token };
}

/* ---- paths ---- */

static const struct {
        const char *inside, *host;
} path_rows[] = {
        { "/host/etc/cni/net.d", "/etc/cni/net.d" },
        { "/host/host/x", "/host/x" },
        { "/etc/cni/net.d", "/etc/cni/net.d" },
        { "/hostess/x", "/hostess/x" },
        { "/x/host/y", "/x/host/y" },
};

START_TEST(the_host_sees_a_path_without_the_mount)
{
        ck_assert_str_eq(credentials_host_path(path_rows[_i].inside), path_rows[_i].host);
}
END_TEST

/* ---- the kubeconfig ---- */

/* Composes one and reads it as the plugin does. */
static void compose_and_parse(const struct kubeconfig *own, struct kubeconfig *ret,
                              struct kubeconfig_files *ret_files)
{
        _cleanup_(buf_done) struct buf text;
        struct err err;

        buf_init(&text, 65536);
        unit_assert_ok(credentials_compose_kubeconfig(own, &text, &err), &err);
        ck_assert_ptr_null(strstr(buf_text(&text), "own-token"));
        unit_assert_ok(kubeconfig_parse(buf_text(&text), text.len, ret, ret_files, &err), &err);
}

START_TEST(a_kubeconfig_has_the_names_that_people_know)
{
        struct kubeconfig own = make_own(), read;
        struct kubeconfig_files files;

        compose_and_parse(&own, &read, &files);
        ck_assert_str_eq(read.server, own.server);
        ck_assert_str_eq(read.namespace, "kube-system");
        ck_assert_str_eq(read.context, "whereabouts-context");
        ck_assert_str_eq(read.ca, CA);
        ck_assert_str_eq(files.cluster, "local");
        ck_assert_str_eq(files.user, "whereabouts");
        ck_assert_str_eq(files.token, "token");
        ck_assert(!read.insecure && !read.token);
        kubeconfig_done(&read);
        kubeconfig_files_done(&files);
}
END_TEST

/* Every length of the last group of base64. */
START_TEST(authorities_survive)
{
        char ca[sizeof(CA) + 4];
        struct kubeconfig own = make_own(), read;
        struct kubeconfig_files files;

        (void)snprintf(ca, sizeof(ca), "%s%.*s", CA, _i, "\n\n\n");
        own.ca = ca;
        compose_and_parse(&own, &read, &files);
        ck_assert_str_eq(read.ca, ca);
        kubeconfig_done(&read);
        kubeconfig_files_done(&files);
}
END_TEST

START_TEST(a_server_may_go_unverified)
{
        struct kubeconfig own = make_own(), read;
        struct kubeconfig_files files;

        own.insecure = _i == 0;
        own.ca = NULL;
        compose_and_parse(&own, &read, &files);
        ck_assert_int_eq(read.insecure, own.insecure);
        ck_assert_ptr_null(read.ca);
        kubeconfig_done(&read);
        kubeconfig_files_done(&files);
}
END_TEST

/* A namespace that YAML would take for a number. */
START_TEST(a_namespace_stays_a_text)
{
        static char number[] = "1234";
        struct kubeconfig own = make_own(), read;
        struct kubeconfig_files files;

        own.namespace = number;
        compose_and_parse(&own, &read, &files);
        ck_assert_str_eq(read.namespace, "1234");
        kubeconfig_done(&read);
        kubeconfig_files_done(&files);
}
END_TEST

/* ---- the flat file ---- */

#define FLAT(inner, kept)                                                                          \
        "{\n    \"datastore\": \"kubernetes\",\n    \"configuration_path\": \"/etc/w.d\",\n"       \
        "    \"kubernetes\": {\n        \"kubeconfig\": \"/etc/w.d/whereabouts.kubeconfig\"" inner \
        "\n    },\n    \"reconciler_cron_expression\": \"30 4 * * *\"" kept "\n}\n"

static const struct {
        const char *old, *composed;
} flat_rows[] = {
        { NULL, FLAT("", "") },
        { "{}", FLAT("", "") },
        { " { \"a\" : 1 } ", FLAT("", ",\n    \"a\": 1") },
        { "{\"locking\":\"optimistic\",\"log_level\":\"debug\"}",
          FLAT("", ",\n    \"locking\": \"optimistic\",\n    \"log_level\": \"debug\"") },
        /* ours, however they are written, and twice */
        { "{\"Datastore\":\"x\",\"datastore\":[1,{\"a\":\"}\"}],\"CONFIGURATION_PATH\":\"/x\","
          "\"reconciler_cron_expression\":\"@daily\",\"\\u0064atastore\":0,\"z\":true}",
          FLAT("", ",\n    \"z\": true") },
        /* other members of `kubernetes` */
        { "{\"kubernetes\":{\"kubeconfig\":\"/x\",\"k8s_api_root\":\"https://x\",\"n\":null}}",
          FLAT(",\n        \"k8s_api_root\": \"https://x\",\n        \"n\": null", "") },
        { "{\"kubernetes\":null,\"a\":2}", FLAT("", ",\n    \"a\": 2") },
        { "{\"kubernetes\":[{\"b\":1}],\"a\":2}", FLAT("", ",\n    \"a\": 2") },
        /* text that looks like structure, numbers as they are written, members that come twice */
        { "{\"q\":\"\\\"}],{\\\\\",\"n\":1.0e3,\"big\":90071992547409931}",
          FLAT("", ",\n    \"q\": \"\\\"}],{\\\\\",\n    \"n\": 1.0e3,\n    \"big\": "
                   "90071992547409931") },
        { "{\"e\":{},\"f\":[],\"e\":[ 1 , 2 ]}",
          FLAT("", ",\n    \"e\": {},\n    \"f\": [],\n    \"e\": [ 1 , 2 ]") },
        { "{\"k\\\"}\\u00e9\":{\"x\":[[\"]\"]]}}",
          FLAT("", ",\n    \"k\\\"}\\u00e9\": {\"x\":[[\"]\"]]}") },
};

static void compose_flat(const char *old, const char *wanted)
{
        _cleanup_(buf_done) struct buf text;
        struct err err;

        buf_init(&text, 65536);
        unit_assert_ok(credentials_compose_flat(old, old ? strlen(old) : 0, "/etc/w.d",
                                                "30 4 * * *", &text, &err),
                       &err);
        ck_assert_str_eq(buf_text(&text), wanted);
}

START_TEST(a_flat_file_keeps_what_is_not_ours)
{
        compose_flat(flat_rows[_i].old, flat_rows[_i].composed);
        compose_flat(flat_rows[_i].composed, flat_rows[_i].composed);
}
END_TEST

static const char *const broken_rows[] = { "", "null", "[]", "{", "{\"a\":}", "{} x", "\"{}\"" };

START_TEST(a_flat_file_that_is_no_object_is_told)
{
        _cleanup_(buf_done) struct buf text;
        struct err err;
        int r;

        buf_init(&text, 65536);
        r = credentials_compose_flat(broken_rows[_i], strlen(broken_rows[_i]), "/x", "c", &text,
                                     &err);
        ck_assert_int_lt(r, 0);
        ck_assert_int_eq(err.code, CNI_ERR_DECODE);
}
END_TEST

/* ---- settings ---- */

#define NO_OCTAL "KUBECONFIG_MODE must be an octal number such as 600"
#define UNSAFE   "KUBECONFIG_MODE must let root read and nobody else write"

static const struct {
        const char *mode, *conf_dir, *error;
} setting_rows[] = {
        { "rw", NULL, NO_OCTAL },
        { "6000000", NULL, NO_OCTAL },
        { "-600", NULL, NO_OCTAL },
        { "0x600", NULL, NO_OCTAL },
        { "680", NULL, NO_OCTAL },
        { "666", NULL, UNSAFE },
        { "620", NULL, UNSAFE },
        { "4600", NULL, UNSAFE },
        { "0", NULL, UNSAFE },
        { "200", NULL, UNSAFE },
        { NULL, "etc", "CNI_CONF_DIR must be an absolute path" },
};

START_TEST(a_setting_that_makes_no_sense_is_named)
{
        const struct credentials_settings settings = { .mode = setting_rows[_i].mode,
                                                       .conf_dir = setting_rows[_i].conf_dir };
        struct credentials *credentials = NULL;
        struct err err;

        unit_assert_err(credentials_new(&settings, &credentials, &err), &err, CNI_ERR_CONFIG,
                        setting_rows[_i].error);
        ck_assert_ptr_null(credentials);
}
END_TEST

START_TEST(settings_have_defaults)
{
        const struct credentials_settings settings = { .conf_dir = "", .mode = "" };
        struct credentials *credentials = NULL;
        struct err err;

        unit_assert_ok(credentials_new(&settings, &credentials, &err), &err);
        ck_assert_str_eq(credentials_kubeconfig_path(credentials),
                         "/host/etc/cni/net.d/whereabouts.d/whereabouts.kubeconfig");
        ck_assert_int_eq(credentials_due_ms(credentials), INT64_MAX);
        credentials_free(credentials);
        credentials_free(NULL);
}
END_TEST

START_TEST(the_environment_gives_the_settings)
{
        struct credentials_settings settings;

        setenv("CNI_CONF_DIR", "/c", 1);
        setenv("NODENAME", "n", 1);
        setenv("WHEREABOUTS_RECONCILER_CRON", "@daily", 1);
        setenv("WHEREABOUTS_ACCOUNT", "a", 1);
        setenv("KUBECONFIG_MODE", "640", 1);
        settings = credentials_environment();
        ck_assert_str_eq(settings.conf_dir, "/c");
        ck_assert_str_eq(settings.node_name, "n");
        ck_assert_str_eq(settings.cron, "@daily");
        ck_assert_str_eq(settings.account, "a");
        ck_assert_str_eq(settings.mode, "640");
}
END_TEST

/* ---- writing ---- */

#define ALL (CREDENTIALS_TOKEN | CREDENTIALS_KUBECONFIG | CREDENTIALS_FLAT | CREDENTIALS_NODENAME)

/* A node's directory with what writes into it. */
struct place {
        char conf_dir[UNIT_PATH_MAX], dir[UNIT_PATH_MAX];
        struct credentials *credentials;
};

/* The directory of the files does not exist yet. */
static void make_place(struct place *place, const char *account, const char *mode)
{
        const struct credentials_settings settings = {
                .conf_dir = place->conf_dir, .node_name = "node1", .account = account, .mode = mode
        };
        struct err err;

        unit_dir(place->conf_dir);
        unit_path(place->conf_dir, "whereabouts.d", place->dir);
        unit_assert_ok(credentials_new(&settings, &place->credentials, &err), &err);
}

/* A pass that works. Returns what is new. */
static unsigned refresh(struct place *place, const struct kubeconfig *own)
{
        struct credentials_pass pass = { .news = 999 };
        struct err err;

        unit_assert_ok(credentials_refresh(place->credentials, own, &pass, &err), &err);
        return pass.news;
}

static void assert_mode(const struct place *place, const char *name, mode_t mode)
{
        char path[UNIT_PATH_MAX];
        struct stat st;

        ck_assert_int_eq(lstat(unit_path(place->dir, name, path), &st), 0);
        ck_assert_uint_eq(st.st_mode & 07777, mode);
}

START_TEST(a_new_node_gets_all_files)
{
        const struct kubeconfig own = make_own();
        struct place place;
        mode_t mask;

        make_place(&place, NULL, _i ? "644" : NULL);
        mask = umask(0027);
        ck_assert_uint_eq(refresh(&place, &own), ALL);
        umask(mask);
        ck_assert_uint_eq(unit_count(place.dir), 4);
        ck_assert_str_eq(unit_read(place.dir, "token"), "own-token");
        ck_assert_str_eq(unit_read(place.dir, "nodename"), "node1");
        ck_assert_ptr_nonnull(strstr(unit_read(place.dir, "whereabouts.kubeconfig"), "[fd00::1]"));
        ck_assert_ptr_nonnull(strstr(unit_read(place.dir, "whereabouts.conf"), place.dir));
        assert_mode(&place, "token", _i ? 0644 : 0600);
        assert_mode(&place, "whereabouts.kubeconfig", _i ? 0644 : 0600);
        assert_mode(&place, "whereabouts.conf", _i ? 0644 : 0600);
        assert_mode(&place, "nodename", _i ? 0644 : 0600);
        ck_assert_uint_eq(refresh(&place, &own), 0);
        credentials_free(place.credentials);
}
END_TEST

START_TEST(only_what_differs_is_written)
{
        struct kubeconfig own = make_own();
        static char newer[] = "newer-own-token", namespace[] = "pools";
        char path[UNIT_PATH_MAX];
        struct place place;

        make_place(&place, NULL, NULL);
        ck_assert_uint_eq(refresh(&place, &own), ALL);
        own.token = newer;
        ck_assert_uint_eq(refresh(&place, &own), CREDENTIALS_TOKEN);
        ck_assert_str_eq(unit_read(place.dir, "token"), newer);
        own.namespace = namespace;
        ck_assert_uint_eq(refresh(&place, &own), CREDENTIALS_KUBECONFIG);
        unit_write(place.dir, "nodename", "node2");
        ck_assert_uint_eq(refresh(&place, &own), CREDENTIALS_NODENAME);
        unit_write(place.dir, "whereabouts.conf", "{\"locking\": \"optimistic\"}");
        ck_assert_uint_eq(refresh(&place, &own), CREDENTIALS_FLAT);
        ck_assert_ptr_nonnull(
                strstr(unit_read(place.dir, "whereabouts.conf"), "\"locking\": \"optimistic\""));
        ck_assert_int_eq(chmod(unit_path(place.dir, "token", path), 0644), 0);
        ck_assert_uint_eq(refresh(&place, &own), CREDENTIALS_TOKEN);
        assert_mode(&place, "token", 0600);
        ck_assert_int_eq(unlink(path), 0);
        ck_assert_uint_eq(refresh(&place, &own), CREDENTIALS_TOKEN);
        ck_assert_uint_eq(refresh(&place, &own), 0);
        ck_assert_uint_eq(unit_count(place.dir), 4);
        credentials_free(place.credentials);
}
END_TEST

START_TEST(without_a_name_of_the_node_there_is_no_such_file)
{
        const struct kubeconfig own = make_own();
        struct credentials_settings settings = { .node_name = "" };
        struct credentials_pass pass;
        struct place place;
        struct err err;

        unit_dir(place.conf_dir);
        settings.conf_dir = place.conf_dir;
        unit_path(place.conf_dir, "whereabouts.d", place.dir);
        unit_assert_ok(credentials_new(&settings, &place.credentials, &err), &err);
        unit_assert_ok(credentials_refresh(place.credentials, &own, &pass, &err), &err);
        ck_assert_uint_eq(pass.news, ALL & ~(unsigned)CREDENTIALS_NODENAME);
        ck_assert(!unit_exists(place.dir, "nodename"));
        credentials_free(place.credentials);
}
END_TEST

START_TEST(what_a_killed_writer_left_is_removed)
{
        const struct kubeconfig own = make_own();
        struct place place;

        make_place(&place, NULL, NULL);
        ck_assert_uint_eq(refresh(&place, &own), ALL);
        unit_write(place.dir, ".token.7", "half");
        unit_write(place.dir, ".whereabouts.kubeconfig.7", "half");
        unit_write(place.dir, ".whereabouts.conf.7", "half");
        unit_write(place.dir, ".nodename.7", "half");
        ck_assert_uint_eq(refresh(&place, &own), 0);
        ck_assert_uint_eq(unit_count(place.dir), 4);
        credentials_free(place.credentials);
}
END_TEST

/* A former file that cannot count: broken, writable by others, a symlink, too large. */
START_TEST(a_former_flat_file_that_cannot_count_is_kept_aside)
{
        const struct kubeconfig own = make_own();
        static char large[CREDENTIALS_FLAT_MAX + 1];
        char path[UNIT_PATH_MAX], other[UNIT_PATH_MAX];
        struct place place;

        make_place(&place, NULL, NULL);
        ck_assert_int_eq(mkdir(place.dir, 0755), 0);
        unit_path(place.dir, "whereabouts.conf", path);
        if (_i == 0)
                unit_write(place.dir, "whereabouts.conf", "{\"locking\": ");
        if (_i == 1) {
                unit_write(place.dir, "whereabouts.conf", "{\"locking\": \"optimistic\"}");
                ck_assert_int_eq(chmod(path, 0602), 0);
        }
        if (_i == 2) {
                unit_write(place.conf_dir, "other", "{\"locking\": \"optimistic\"}");
                ck_assert_int_eq(symlink(unit_path(place.conf_dir, "other", other), path), 0);
        }
        if (_i == 3) {
                memset(large, ' ', sizeof(large));
                unit_write_bytes(place.dir, "whereabouts.conf", large, sizeof(large));
        }
        unit_write(place.dir, "whereabouts.conf.bad", "an older one");
        ck_assert_uint_eq(refresh(&place, &own), ALL | CREDENTIALS_FLAT_BAD);
        ck_assert_ptr_null(strstr(unit_read(place.dir, "whereabouts.conf"), "locking"));
        ck_assert_ptr_nonnull(
                strstr(unit_read(place.dir, "whereabouts.conf.bad"), _i == 3 ? " " : "locking"));
        if (_i == 2)
                ck_assert_str_eq(unit_read(place.conf_dir, "other"),
                                 "{\"locking\": \"optimistic\"}");
        ck_assert_uint_eq(refresh(&place, &own), 0);
        credentials_free(place.credentials);
}
END_TEST

static void refresh_fails(struct place *place, const struct kubeconfig *own, const char *what)
{
        struct credentials_pass pass = { .news = 999 };
        char wanted[2 * UNIT_PATH_MAX];
        struct err err;
        int r = credentials_refresh(place->credentials, own, &pass, &err);

        (void)snprintf(wanted, sizeof(wanted), "%s%s", place->dir, what);
        ck_assert_int_lt(r, 0);
        ck_assert_ptr_nonnull(strstr(err.msg, wanted));
        ck_assert_int_eq(err.code, CNI_ERR_IO);
        ck_assert_uint_eq(pass.news, 999);
}

START_TEST(what_cannot_be_written_is_named)
{
        const struct kubeconfig own = make_own();
        char path[UNIT_PATH_MAX];
        struct place place;

        make_place(&place, NULL, NULL);
        unit_write(place.conf_dir, "whereabouts.d", "a file");
        refresh_fails(&place, &own, ": not a directory");
        ck_assert_int_eq(unlink(place.dir), 0);
        ck_assert_int_eq(mkdir(place.dir, 0755), 0);
        ck_assert_int_eq(mkdir(unit_path(place.dir, "token", path), 0755), 0);
        refresh_fails(&place, &own, ": write token: is a directory");
        ck_assert_uint_eq(unit_count(place.dir), 1);
        credentials_free(place.credentials);
}
END_TEST

/* ---- the account's token ---- */

#define TOKEN_PATH           "/api/v1/namespaces/kube-system/serviceaccounts/whereabouts/token"
#define ANSWER(status, body) "HTTP/1.1 " status "\r\nConnection: close\r\n\r\n" body
#define TOKEN(name, life)                                                                        \
        ANSWER("201 Created", "{\"kind\":\"TokenRequest\",\"spec\":{\"expirationSeconds\":" life \
                              "},\"status\":{\"token\":\"" name "\"}}")

static struct kubeconfig own_for(const struct server *server, char url[64])
{
        struct kubeconfig own = make_own();

        (void)snprintf(url, 64, "http://127.0.0.1:%u", server->port);
        own.server = url;
        own.ca = NULL;
        return own;
}

/* Waits until the token is to be renewed. */
static void wait_until_due(const struct place *place)
{
        int64_t left_ms = credentials_due_ms(place->credentials) - clock_boot_ms();

        ck_assert_int_lt(left_ms, 5000);
        if (left_ms > 0)
                clock_sleep_ms((unsigned)left_ms);
}

START_TEST(the_accounts_token_is_made_and_renewed_at_half_its_life)
{
        struct server_page page = { TOKEN_PATH, TOKEN("first", "3600"), 0, SERVER_CLOSE };
        struct server server = { .pages = &page, .page_count = 1 };
        struct kubeconfig own;
        struct place place;
        char url[64];
        int64_t now_ms = clock_boot_ms();

        server_start(&server);
        own = own_for(&server, url);
        make_place(&place, "whereabouts", NULL);
        ck_assert_int_le(credentials_due_ms(place.credentials), now_ms);
        ck_assert_uint_eq(refresh(&place, &own), ALL);
        ck_assert(server_saw(&server, "POST " TOKEN_PATH " "));
        ck_assert(server_saw(&server, "\"expirationSeconds\":86400"));
        ck_assert(!server_saw(&server, "boundObjectRef"));
        ck_assert_str_eq(unit_read(place.dir, "token"), "first");
        ck_assert_int_ge(credentials_due_ms(place.credentials), now_ms + 1800000);
        ck_assert_int_le(credentials_due_ms(place.credentials), clock_boot_ms() + 1800000);
        ck_assert_uint_eq(refresh(&place, &own), 0);
        ck_assert_uint_eq(server.requests, 1); /* it was not time yet */
        credentials_free(place.credentials);

        page.answer = TOKEN("short", "1");
        make_place(&place, "whereabouts", NULL);
        ck_assert_uint_eq(refresh(&place, &own), ALL);
        page.answer = TOKEN("next", "9999999");
        wait_until_due(&place);
        ck_assert_uint_eq(refresh(&place, &own), CREDENTIALS_TOKEN);
        ck_assert_str_eq(unit_read(place.dir, "token"), "next");
        ck_assert_int_le(credentials_due_ms(place.credentials), clock_boot_ms() + 43200000);
        credentials_free(place.credentials);
        server_stop(&server);
}
END_TEST

static const struct {
        const char *answer, *warning; /* a part of it */
} refusal_rows[] = {
        { ANSWER("403 Forbidden", "{\"kind\":\"Status\",\"message\":\"no, no\"}"),
          "lacks a permission: no, no" },
        { ANSWER("404 Not Found", "{\"kind\":\"Status\",\"details\":{\"name\":\"whereabouts\"}}"),
          "the API server answers 404" },
        { ANSWER("201 Created", "{\"spec\":{\"expirationSeconds\":3600},\"status\":{}}"),
          "holds no token or no life of it" },
        { TOKEN("t", "0"), "holds no token or no life of it" },
        { ANSWER("201 Created", "nonsense"), "k8s answer error: serviceaccounts whereabouts: " },
};

START_TEST(a_refusal_is_told_once_and_the_pods_own_token_counts)
{
        const struct server_page page = { TOKEN_PATH, refusal_rows[_i].answer, 0, SERVER_CLOSE };
        struct server server = { .pages = &page, .page_count = 1 };
        struct credentials_pass pass = { 0 };
        struct kubeconfig own;
        struct place place;
        struct err err;
        char url[64];

        server_start(&server);
        own = own_for(&server, url);
        make_place(&place, "whereabouts", NULL);
        unit_assert_ok(credentials_refresh(place.credentials, &own, &pass, &err), &err);
        ck_assert_uint_eq(pass.news, ALL | CREDENTIALS_WARNING);
        ck_assert_ptr_eq(strstr(pass.warning.msg,
                                "no new token for serviceaccount whereabouts, the pod's own is "
                                "used: "),
                         pass.warning.msg);
        ck_assert_ptr_nonnull(strstr(pass.warning.msg, refusal_rows[_i].warning));
        ck_assert_str_eq(unit_read(place.dir, "token"), "own-token");
        ck_assert_int_gt(credentials_due_ms(place.credentials), clock_boot_ms());
        ck_assert_uint_eq(refresh(&place, &own), 0);
        ck_assert_uint_eq(server.requests, 1);
        credentials_free(place.credentials);
        server_stop(&server);
}
END_TEST

/* Nobody listens there. */
START_TEST(a_server_that_is_away_leaves_the_token_that_is_there)
{
        struct server server = { 0 };
        struct kubeconfig own;
        struct credentials_pass pass = { 0 };
        struct place place;
        struct err err;
        char url[64];

        server_start(&server);
        own = own_for(&server, url);
        server_stop(&server);
        make_place(&place, "whereabouts", NULL);
        if (_i) {
                ck_assert_int_eq(mkdir(place.dir, 0755), 0);
                unit_write(place.dir, "token", "former");
        }
        unit_assert_ok(credentials_refresh(place.credentials, &own, &pass, &err), &err);
        ck_assert(pass.news & CREDENTIALS_WARNING);
        ck_assert_ptr_nonnull(strstr(pass.warning.msg, _i ? "the one that is in the file stays"
                                                          : "the pod's own is used"));
        ck_assert_str_eq(unit_read(place.dir, "token"), _i ? "former" : "own-token");
        ck_assert_int_le(credentials_due_ms(place.credentials), clock_boot_ms() + 15000);
        credentials_free(place.credentials);
}
END_TEST

/* Half its life is over and the server does not give another one: it counts to its end. */
START_TEST(a_token_counts_until_its_end)
{
        struct server_page page = { TOKEN_PATH, TOKEN("first", "2"), 0, SERVER_CLOSE };
        struct server server = { .pages = &page, .page_count = 1 };
        struct credentials_pass pass = { 0 };
        int64_t end_ms = clock_boot_ms() + 20000;
        struct kubeconfig own;
        struct place place;
        struct err err;
        char url[64];

        server_start(&server);
        own = own_for(&server, url);
        make_place(&place, "whereabouts", NULL);
        ck_assert_uint_eq(refresh(&place, &own), ALL);
        page.answer = refusal_rows[0].answer;
        wait_until_due(&place);
        unit_assert_ok(credentials_refresh(place.credentials, &own, &pass, &err), &err);
        ck_assert_uint_eq(pass.news, CREDENTIALS_WARNING);
        ck_assert_ptr_nonnull(strstr(pass.warning.msg, "the former one is used until its end"));
        ck_assert_str_eq(unit_read(place.dir, "token"), "first");
        while (refresh(&place, &own) != CREDENTIALS_TOKEN) {
                ck_assert_int_lt(clock_boot_ms(), end_ms);
                clock_sleep_ms(20);
        }
        ck_assert_str_eq(unit_read(place.dir, "token"), "own-token");
        credentials_free(place.credentials);
        server_stop(&server);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, the_host_sees_a_path_without_the_mount, path_rows);
        tcase_add_test(tests, a_kubeconfig_has_the_names_that_people_know);
        tcase_add_loop_test(tests, authorities_survive, 0, 4);
        tcase_add_loop_test(tests, a_server_may_go_unverified, 0, 2);
        tcase_add_test(tests, a_namespace_stays_a_text);
        unit_add_table(tests, a_flat_file_keeps_what_is_not_ours, flat_rows);
        unit_add_table(tests, a_flat_file_that_is_no_object_is_told, broken_rows);
        unit_add_table(tests, a_setting_that_makes_no_sense_is_named, setting_rows);
        tcase_add_test(tests, settings_have_defaults);
        tcase_add_test(tests, the_environment_gives_the_settings);
        tcase_add_loop_test(tests, a_new_node_gets_all_files, 0, 2);
        tcase_add_test(tests, only_what_differs_is_written);
        tcase_add_test(tests, without_a_name_of_the_node_there_is_no_such_file);
        tcase_add_test(tests, what_a_killed_writer_left_is_removed);
        tcase_add_loop_test(tests, a_former_flat_file_that_cannot_count_is_kept_aside, 0, 4);
        tcase_add_test(tests, what_cannot_be_written_is_named);
        tcase_add_test(tests, the_accounts_token_is_made_and_renewed_at_half_its_life);
        unit_add_table(tests, a_refusal_is_told_once_and_the_pods_own_token_counts, refusal_rows);
        tcase_add_loop_test(tests, a_server_that_is_away_leaves_the_token_that_is_there, 0, 2);
        tcase_add_test(tests, a_token_counts_until_its_end);
}

UNIT_MAIN("credentials", add_tests)

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pod's own credentials: its files and variables, and what is wrong with them.
 */
#include "incluster.h"

#include "unit.h"

#define CA "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----"

/* A directory as the kubelet makes it. */
static struct incluster make_account(char dir[UNIT_PATH_MAX])
{
        unit_dir(dir);
        unit_write(dir, "token", "abc.def.ghi");
        unit_write(dir, "ca.crt", CA "\n");
        unit_write(dir, "namespace", "kube-system");
        return (struct incluster){ .directory = dir, .host = "10.43.0.1", .port = "443" };
}

/* "%s" of the message is the directory. */
static void reading_fails(const struct incluster *where, int code, const char *fmt)
{
        struct kubeconfig kubeconfig = { .server = (char *)(uintptr_t) "untouched" };
        const char *mark = strchr(fmt, '%');
        char wanted[2 * UNIT_PATH_MAX];
        struct err err;
        int r = incluster_read(where, &kubeconfig, &err);

        if (mark)
                (void)snprintf(wanted, sizeof(wanted), "%.*s%s%s", (int)(mark - fmt), fmt,
                               where->directory, mark + 1);
        unit_assert_err(r, &err, code, mark ? wanted : fmt);
        ck_assert_str_eq(kubeconfig.server, "untouched");
}

START_TEST(an_account_is_read)
{
        char dir[UNIT_PATH_MAX];
        const struct incluster where = make_account(dir);
        struct kubeconfig kubeconfig = { 0 };
        struct err err;

        unit_assert_ok(incluster_read(&where, &kubeconfig, &err), &err);
        ck_assert_str_eq(kubeconfig.server, "https://10.43.0.1:443");
        ck_assert_str_eq(kubeconfig.namespace, "kube-system");
        ck_assert_str_eq(kubeconfig.token, "abc.def.ghi");
        ck_assert_str_eq(kubeconfig.ca, CA);
        ck_assert(!kubeconfig.insecure);
        ck_assert_uint_eq(strlen(kubeconfig.identity), 64);
        kubeconfig_done(&kubeconfig);
}
END_TEST

/* The kubelet renames a symlink to a directory of the new files. */
START_TEST(a_renewed_token_is_read_and_the_identity_stays)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        const struct incluster where = make_account(dir);
        struct kubeconfig before = { 0 }, after = { 0 };
        struct err err;

        unit_assert_ok(incluster_read(&where, &before, &err), &err);
        unit_write(dir, "newer", "newer\n");
        ck_assert_int_eq(unlink(unit_path(dir, "token", path)), 0);
        ck_assert_int_eq(symlink("newer", path), 0);
        unit_assert_ok(incluster_read(&where, &after, &err), &err);
        ck_assert_str_eq(after.token, "newer");
        ck_assert_str_eq(before.identity, after.identity);
        kubeconfig_done(&before);
        kubeconfig_done(&after);
}
END_TEST

static const struct {
        const char *host, *port, *protocol, *server;
} server_rows[] = {
        { "fd00::1", "6443", NULL, "https://[fd00::1]:6443" },
        { "kubernetes.default.svc", "443", "", "https://kubernetes.default.svc:443" },
        { "127.0.0.1", "0080", "http", "http://127.0.0.1:80" },
};

START_TEST(the_server_is_composed_of_variables)
{
        char dir[UNIT_PATH_MAX];
        struct incluster where = make_account(dir);
        struct kubeconfig kubeconfig = { 0 };
        struct err err;

        where.host = server_rows[_i].host;
        where.port = server_rows[_i].port;
        where.protocol = server_rows[_i].protocol;
        unit_assert_ok(incluster_read(&where, &kubeconfig, &err), &err);
        ck_assert_str_eq(kubeconfig.server, server_rows[_i].server);
        kubeconfig_done(&kubeconfig);
}
END_TEST

#define UNDEFINED                                                               \
        "unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and " \
        "KUBERNETES_SERVICE_PORT must be defined"
#define NO_HOST "KUBERNETES_SERVICE_HOST must be a name or an address"
#define NO_PORT "KUBERNETES_SERVICE_PORT must be a number from 1 to 65535"

static const struct {
        const char *host, *port, *protocol, *error;
} wrong_rows[] = {
        { NULL, "443", NULL, UNDEFINED },
        { "10.0.0.1", "", NULL, UNDEFINED },
        { "10.0.0.1/x", "443", NULL, NO_HOST },
        { "a@b", "443", NULL, NO_HOST },
        { "[fd00::1]", "443", NULL, NO_HOST },
        { "10.0.0.1", "0", NULL, NO_PORT },
        { "10.0.0.1", "65536", NULL, NO_PORT },
        { "10.0.0.1", "tcp://10.0.0.1:443", NULL, NO_PORT },
        { "10.0.0.1", "443", "ftp", "KUBERNETES_SERVICE_PROTOCOL must be https or http" },
};

START_TEST(a_variable_that_makes_no_sense_is_named)
{
        char dir[UNIT_PATH_MAX];
        struct incluster where = make_account(dir);

        where.host = wrong_rows[_i].host;
        where.port = wrong_rows[_i].port;
        where.protocol = wrong_rows[_i].protocol;
        reading_fails(&where, CNI_ERR_CONFIG, wrong_rows[_i].error);
}
END_TEST

/* `text` NULL: the file is missing. */
static const struct {
        const char *file, *text;
        int code;
        const char *error;
} file_rows[] = {
        { "token", NULL, CNI_ERR_IO, "open %/token: no such file or directory" },
        { "token", " \n", CNI_ERR_IO, "read %/token: is empty" },
        { "namespace", NULL, CNI_ERR_IO, "open %/namespace: no such file or directory" },
        { "namespace", "secret/../thing", CNI_ERR_CONFIG,
          "%/namespace: is no name of a namespace" },
        { "ca.crt", "secret", CNI_ERR_IO, "read %/ca.crt: is not PEM text" },
};

START_TEST(a_file_that_makes_no_sense_is_named_and_not_shown)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        const struct incluster where = make_account(dir);

        ck_assert_int_eq(unlink(unit_path(dir, file_rows[_i].file, path)), 0);
        if (file_rows[_i].text)
                unit_write(dir, file_rows[_i].file, file_rows[_i].text);
        reading_fails(&where, file_rows[_i].code, file_rows[_i].error);
}
END_TEST

START_TEST(what_is_no_text_is_refused)
{
        char dir[UNIT_PATH_MAX];
        const struct incluster where = make_account(dir);

        unit_write_bytes(dir, "token", "ab\0cd", 5);
        reading_fails(&where, CNI_ERR_IO, "read %/token: is not text");
}
END_TEST

START_TEST(authorities_may_come_from_elsewhere_or_not_at_all)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        struct incluster where = make_account(dir);
        struct kubeconfig kubeconfig = { 0 };
        struct err err;

        unit_write(dir, "other.crt", "# other\n" CA);
        where.ca_file = unit_path(dir, "other.crt", path);
        unit_assert_ok(incluster_read(&where, &kubeconfig, &err), &err);
        ck_assert_str_eq(kubeconfig.ca, "# other\n" CA);
        kubeconfig_done(&kubeconfig);

        ck_assert_int_eq(unlink(path), 0);
        reading_fails(&where, CNI_ERR_IO, "open %/other.crt: no such file or directory");

        where.insecure = true; /* then nobody asks for it */
        unit_assert_ok(incluster_read(&where, &kubeconfig, &err), &err);
        ck_assert(kubeconfig.insecure && !kubeconfig.ca);
        kubeconfig_done(&kubeconfig);

        where.insecure = false;
        where.ca_file = "";
        ck_assert_int_eq(unlink(unit_path(dir, "ca.crt", path)), 0);
        unit_assert_ok(incluster_read(&where, &kubeconfig, &err), &err);
        ck_assert(!kubeconfig.insecure && !kubeconfig.ca);
        kubeconfig_done(&kubeconfig);
}
END_TEST

START_TEST(the_namespace_may_be_given)
{
        char dir[UNIT_PATH_MAX];
        struct incluster where = make_account(dir);
        struct kubeconfig kubeconfig = { 0 };
        struct err err;

        where.namespace = "pools";
        unit_assert_ok(incluster_read(&where, &kubeconfig, &err), &err);
        ck_assert_str_eq(kubeconfig.namespace, "pools");
        kubeconfig_done(&kubeconfig);
        where.namespace = "Pools";
        reading_fails(&where, CNI_ERR_CONFIG, "WHEREABOUTS_NAMESPACE: is no name of a namespace");
}
END_TEST

START_TEST(the_environment_tells_where_to_look)
{
        struct incluster where;

        setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
        setenv("KUBERNETES_SERVICE_PORT", "6443", 1);
        setenv("KUBERNETES_SERVICE_PROTOCOL", "http", 1);
        setenv("KUBE_CA_FILE", "/ca", 1);
        setenv("WHEREABOUTS_NAMESPACE", "pools", 1);
        setenv("SKIP_TLS_VERIFY", "true", 1);
        where = incluster_environment();
        ck_assert_ptr_null(where.directory);
        ck_assert_str_eq(where.host, "fd00::1");
        ck_assert_str_eq(where.port, "6443");
        ck_assert_str_eq(where.protocol, "http");
        ck_assert_str_eq(where.ca_file, "/ca");
        ck_assert_str_eq(where.namespace, "pools");
        ck_assert(where.insecure);
        setenv("SKIP_TLS_VERIFY", "false", 1);
        ck_assert(!incluster_environment().insecure);
}
END_TEST

static void add_tests(TCase *tests)
{
        tcase_add_test(tests, an_account_is_read);
        tcase_add_test(tests, a_renewed_token_is_read_and_the_identity_stays);
        unit_add_table(tests, the_server_is_composed_of_variables, server_rows);
        unit_add_table(tests, a_variable_that_makes_no_sense_is_named, wrong_rows);
        unit_add_table(tests, a_file_that_makes_no_sense_is_named_and_not_shown, file_rows);
        tcase_add_test(tests, what_is_no_text_is_refused);
        tcase_add_test(tests, authorities_may_come_from_elsewhere_or_not_at_all);
        tcase_add_test(tests, the_namespace_may_be_given);
        tcase_add_test(tests, the_environment_tells_where_to_look);
}

UNIT_MAIN("incluster", add_tests)

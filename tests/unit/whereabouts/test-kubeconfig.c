/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kubeconfig: its text as values, and the files that it names.
 */
#include "kubeconfig.h"

#include <poll.h>
#include <pthread.h>
#include <sys/inotify.h>

#include "core/buf.h"
#include "unit.h"

/* Parts of a kubeconfig. */
#define CONTEXT                                                              \
        "contexts:\n- name: other\n  context: {cluster: none, user: none}\n" \
        "- name: c\n  context: {cluster: k, user: u, namespace: ns}\ncurrent-context: c\n"
#define CLUSTER(more) "clusters:\n- name: k\n  cluster:\n    server: https://192.0.2.1:6443\n" more
#define USER(more)    "users:\n- name: u\n  user:\n    " more "\n"
#define WHOLE(cluster, user) \
        "apiVersion: v1\nkind: Config\npreferences: {}\n" CLUSTER(cluster) USER(user) CONTEXT

/* base64 of "-----BEGIN X-----\n", which is enough of a PEM text here, and of "no text". */
#define PEM      "-----BEGIN X-----\n"
#define PEM_DATA "LS0tLS1CRUdJTiBYLS0tLS0K"

/* ---- values ---- */

struct good_row {
        const char *text;
        struct kubeconfig values;
        struct kubeconfig_files files;
};

#define SERVER(server_) .server = (char *)(uintptr_t)(server_)
#define COMMON                                                                   \
        SERVER("https://192.0.2.1:6443"), .namespace = (char *)(uintptr_t) "ns", \
                                          .context = (char *)(uintptr_t) "c"
#define TEXT(text) (char *)(uintptr_t)(text)

static const struct good_row good[] = {
        { WHOLE("", "token: t"), { COMMON, .token = TEXT("t") }, { .ca = NULL } },
        /* as the installer writes it */
        { "# Kubeconfig file for Multus CNI plugin.\napiVersion: v1\nkind: Config\nclusters:\n"
          "- name: local\n  cluster:\n    server: https://[10.43.0.1]:443\n"
          "    certificate-authority-data: " PEM_DATA "\nusers:\n- name: whereabouts\n  user:\n"
          "    token: \"ey.J.h\"\ncontexts:\n- name: whereabouts-context\n  context:\n"
          "    cluster: local\n    user: whereabouts\n    namespace: kube-system\n"
          "current-context: whereabouts-context\n",
          { SERVER("https://[10.43.0.1]:443"), .namespace = TEXT("kube-system"),
            .context = TEXT("whereabouts-context"), .ca = TEXT(PEM), .token = TEXT("ey.J.h") },
          { .ca = NULL } },
        /* JSON */
        { "{\"clusters\":[{\"name\":\"k\",\"cluster\":{\"server\":\"http://h\"}}],"
          "\"contexts\":[{\"name\":\"c\",\"context\":{\"cluster\":\"k\"}}],"
          "\"current-context\":\"c\"}",
          { SERVER("http://h"), .namespace = TEXT("kube-system"), .context = TEXT("c") },
          { .ca = NULL } },
        /* every member */
        { WHOLE("    certificate-authority: ca.crt\n    tls-server-name: api.test\n"
                "    proxy-url: socks5://proxy:1080\n    disable-compression: true\n",
                "tokenFile: token\n    token: t\n    client-certificate: c.crt\n"
                "    client-key: /k.pem"),
          { COMMON, .token = TEXT("t"), .server_name = TEXT("api.test"),
            .proxy = TEXT("socks5://proxy:1080"), .no_compression = true },
          { .ca = TEXT("ca.crt"),
            .certificate = TEXT("c.crt"),
            .key = TEXT("/k.pem"),
            .token = TEXT("token") } },
        { WHOLE("    insecure-skip-tls-verify: true\n", "token: t"),
          { COMMON, .token = TEXT("t"), .insecure = true },
          { .ca = NULL } },
        { WHOLE("    insecure-skip-tls-verify: yes\n    disable-compression: Off\n", "token: t"),
          { COMMON, .token = TEXT("t"), .insecure = true },
          { .ca = NULL } },
        /* data wins over files */
        { WHOLE("    certificate-authority: ca.crt\n    certificate-authority-data: " PEM_DATA "\n",
                "client-certificate: c\n    client-certificate-data: " PEM_DATA
                "\n    client-key: k\n    client-key-data: " PEM_DATA),
          { COMMON, .ca = TEXT(PEM), .certificate = TEXT(PEM), .key = TEXT(PEM) },
          { .ca = NULL } },
        { WHOLE("", "client-certificate-data: " PEM_DATA "\n    client-key: k"),
          { COMMON, .certificate = TEXT(PEM) },
          { .key = TEXT("k") } },
        /* a key alone is for nothing */
        { WHOLE("", "client-key-data: " PEM_DATA "\n    token: t"),
          { COMMON, .token = TEXT("t") },
          { .ca = NULL } },
        /* data over several lines, as a block */
        { WHOLE("    certificate-authority-data: |\n      LS0tLS1CRUdJ\n      TiBYLS0tLS0K\n",
                "token: t"),
          { COMMON, .ca = TEXT(PEM), .token = TEXT("t") },
          { .ca = NULL } },
        /* empty is as good as absent */
        { WHOLE("    certificate-authority: ''\n    certificate-authority-data: \"\"\n"
                "    proxy-url:\n    insecure-skip-tls-verify: false\n",
                "token: ''\n    exec: null\n    username: \"\"\n    as: ''\n    as-groups: []\n"
                "    as-user-extra: {}"),
          { COMMON },
          { .ca = NULL } },
        /* slashes at the end go */
        { "clusters: [{name: k, cluster: {server: 'https://h/prefix//'}}]\n" CONTEXT,
          { SERVER("https://h/prefix"), .namespace = TEXT("ns"), .context = TEXT("c") },
          { .ca = NULL } },
        { "clusters: [{name: k, cluster: {server: 'HTTPS://h/'}}]\n" CONTEXT,
          { SERVER("HTTPS://h"), .namespace = TEXT("ns"), .context = TEXT("c") },
          { .ca = NULL } },
        /* without user, and with one that is not there, requests go without credentials */
        { CLUSTER("") "contexts: [{name: c, context: {cluster: k}}]\ncurrent-context: c\n",
          { SERVER("https://192.0.2.1:6443"), .namespace = TEXT("kube-system"),
            .context = TEXT("c") },
          { .ca = NULL } },
        { CLUSTER("") "users: [{name: x, user: {token: t}}]\n" CONTEXT,
          { COMMON },
          { .ca = NULL } },
        { CLUSTER("") "users: [{name: u}]\n" CONTEXT, { COMMON }, { .ca = NULL } },
        /* what is refused does not matter for a user that is not the one */
        { CLUSTER("") "users: [{name: x, user: {exec: {command: a}}}]\n" CONTEXT,
          { COMMON },
          { .ca = NULL } },
        /* the last of two members counts */
        { WHOLE("", "token: a\n    token: b"), { COMMON, .token = TEXT("b") }, { .ca = NULL } },
};

static void assert_text(const char *name, const char *text, const char *wanted)
{
        ck_assert_msg(!text == !wanted && (!text || strcmp(text, wanted) == 0),
                      "%s is '%s', not '%s'", name, text ? text : "(none)",
                      wanted ? wanted : "(none)");
}

static void assert_values(const struct kubeconfig *values, const struct kubeconfig *wanted)
{
        assert_text("server", values->server, wanted->server);
        assert_text("namespace", values->namespace, wanted->namespace);
        assert_text("context", values->context, wanted->context);
        assert_text("ca", values->ca, wanted->ca);
        assert_text("certificate", values->certificate, wanted->certificate);
        assert_text("key", values->key, wanted->key);
        assert_text("token", values->token, wanted->token);
        assert_text("server_name", values->server_name, wanted->server_name);
        assert_text("proxy", values->proxy, wanted->proxy);
        ck_assert_int_eq(values->insecure, wanted->insecure);
        ck_assert_int_eq(values->no_compression, wanted->no_compression);
}

START_TEST(a_text_becomes_values)
{
        const struct good_row *row = &good[_i];
        struct kubeconfig_files files = { 0 };
        struct kubeconfig values = { 0 };
        struct err err;

        unit_assert_ok(kubeconfig_parse(row->text, strlen(row->text), &values, &files, &err), &err);
        assert_values(&values, &row->values);
        assert_text("ca file", files.ca, row->files.ca);
        assert_text("certificate file", files.certificate, row->files.certificate);
        assert_text("key file", files.key, row->files.key);
        assert_text("token file", files.token, row->files.token);
        kubeconfig_done(&values);
        kubeconfig_files_done(&files);
}
END_TEST

/* ---- what is refused ---- */

#define NO_CONTEXT "k8s config: namespace not present in context"
#define USE_TOKEN  "; use a token or tokenFile"
#define IN_URL \
        "clusters[0].cluster.server: a user, a query and white space have no place in the URL"

static const struct {
        const char *text, *error;
} bad[] = {
        { "", NO_CONTEXT },
        { "# nothing\n", NO_CONTEXT },
        { "{}", NO_CONTEXT },
        { CLUSTER("") "current-context: c\n", NO_CONTEXT },
        { CLUSTER("") "contexts: [{name: c, context: {cluster: k}}]\n", NO_CONTEXT },
        { CLUSTER("") "contexts: [{name: c, context: {cluster: k}}]\ncurrent-context: C\n",
          NO_CONTEXT },
        /* no YAML, or not that form */
        { "a: b: c", "line 1: mapping values are not allowed in this context" },
        { "- a", "the configuration: must be an object, not a list" },
        { "word", "the configuration: must be an object, not a string" },
        { "kind: Pod\n", "kind: must be Config" },
        { "apiVersion: v2\n", "apiVersion: must be v1" },
        { "current-context: 1\n", "current-context: must be a string, not a number" },
        { "contexts: {}\n", "contexts: must be a list, not an object" },
        { "contexts: [a]\ncurrent-context: c\n", NO_CONTEXT },
        { "contexts: [{name: [c]}]\n", "contexts[0].name: must be a string, not a list" },
        { "contexts: [{name: c, context: []}]\ncurrent-context: c\n",
          "contexts[0].context: must be an object, not a list" },
        { WHOLE("", "token: 123"), "users[0].user.token: must be a string, not a number" },
        { WHOLE("    insecure-skip-tls-verify: maybe\n", "token: t"),
          "clusters[0].cluster.insecure-skip-tls-verify: must be true or false, not a string" },
        { "users: [{name: u}, {name: u}]\n" CLUSTER("") CONTEXT,
          "users[1]: duplicate name \"u\" in list" },
        /* servers */
        { CONTEXT, "invalid configuration: no server found for cluster \"k\"" },
        { "clusters: [{name: k, cluster: {}}]\n" CONTEXT,
          "invalid configuration: no server found for cluster \"k\"" },
        { "clusters: [{name: k, cluster: {server: ''}}]\n" CONTEXT,
          "invalid configuration: no server found for cluster \"k\"" },
        { "clusters: [{name: k, cluster: {server: 'h:6443'}}]\n" CONTEXT,
          "clusters[0].cluster.server: must be an http:// or https:// URL" },
        { "clusters: [{name: k, cluster: {server: 'ftp://h'}}]\n" CONTEXT,
          "clusters[0].cluster.server: must be an http:// or https:// URL" },
        { "clusters: [{name: k, cluster: {server: 'https:///x'}}]\n" CONTEXT,
          "clusters[0].cluster.server: must be an http:// or https:// URL" },
        { "clusters: [{name: k, cluster: {server: 'https://'}}]\n" CONTEXT,
          "clusters[0].cluster.server: must be an http:// or https:// URL" },
        { "clusters: [{name: k, cluster: {server: 'https://a:hidden@h'}}]\n" CONTEXT, IN_URL },
        { "clusters: [{name: k, cluster: {server: 'https://h?a'}}]\n" CONTEXT, IN_URL },
        { "clusters: [{name: k, cluster: {server: 'https://h x'}}]\n" CONTEXT, IN_URL },
        /* combinations */
        { WHOLE("    insecure-skip-tls-verify: true\n    certificate-authority: ca\n", "token: t"),
          "specifying a root certificates file with the insecure flag is not allowed" },
        { WHOLE("    insecure-skip-tls-verify: true\n    certificate-authority-data: " PEM_DATA
                "\n",
                "token: t"),
          "specifying a root certificates file with the insecure flag is not allowed" },
        { WHOLE("", "client-certificate: c"),
          "invalid configuration: client-key-data or client-key must be specified for u to use the "
          "clientCert authentication method." },
        /* not supported */
        { WHOLE("", "exec: {command: /bin/true}"),
          "users[0].user.exec: running programs for credentials is not supported" USE_TOKEN },
        { WHOLE("", "exec: /bin/true\n    token: t"),
          "users[0].user.exec: running programs for credentials is not supported" USE_TOKEN },
        { WHOLE("", "auth-provider: {name: oidc}"),
          "users[0].user.auth-provider: authentication providers are not supported" USE_TOKEN },
        { WHOLE("", "username: a\n    password: hidden"),
          "users[0].user.username: basic authentication is not supported" USE_TOKEN },
        { WHOLE("", "password: hidden"),
          "users[0].user.password: basic authentication is not supported" USE_TOKEN },
        { WHOLE("", "as: a"), "users[0].user.as: impersonation is not supported" USE_TOKEN },
        { WHOLE("", "as-uid: a"),
          "users[0].user.as-uid: impersonation is not supported" USE_TOKEN },
        { WHOLE("", "as-groups: [a]"),
          "users[0].user.as-groups: impersonation is not supported" USE_TOKEN },
        { WHOLE("", "as-user-extra: {a: [b]}"),
          "users[0].user.as-user-extra: impersonation is not supported" USE_TOKEN },
};

START_TEST(a_text_is_refused)
{
        struct kubeconfig_files files = { 0 };
        struct kubeconfig values = { 0 };
        struct err err;

        unit_assert_err(kubeconfig_parse(bad[_i].text, strlen(bad[_i].text), &values, &files, &err),
                        &err, CNI_ERR_INTERNAL, bad[_i].error);
        ck_assert(!values.server && !files.ca);
        ck_assert_ptr_null(strstr(err.msg, "hidden"));
}
END_TEST

/* ---- base64 ---- */

#define ILLEGAL(at) "illegal base64 data at input byte " #at
#define NOT_PEM     "is not PEM text"

static const struct {
        const char *data; /* in double quotes */
        const char *text; /* NULL: an error */
        const char *error;
} base64[] = {
        { "LS0tLS1CRUdJTiBY", "-----BEGIN X", NULL },
        { "LS0tLS1CRUdJTiBYWA==", "-----BEGIN XX", NULL },
        { "LS0tLS1CRUdJTiBYWFg=", "-----BEGIN XXX", NULL },
        { "LS0t\\nLS1C\\r\\nRUdJTiBYWA=\\n=\\n", "-----BEGIN XX", NULL },
        { "LS0tLS1CRUdJTiB+fj8/Pg==",
          "-----BEGIN ~~?"
          "?>",
          NULL },
        { "LS0tLS1CRUdJTiBYWA=", NULL, ILLEGAL(19) },
        { "LS0tLS1CRUdJTiBYWA", NULL, ILLEGAL(18) },
        { "LS0tLS1CRUdJTiBYW", NULL, ILLEGAL(17) },
        { "LS0tLS1CRUdJTiBYWA===", NULL, ILLEGAL(20) },
        { "LS0tLS1CRUdJTiBYWA==LS0t", NULL, ILLEGAL(20) },
        { "LS0tLS1CRUdJTiBYWA=x", NULL, ILLEGAL(19) },
        { "LS0tLS1CRUdJTiBY=", NULL, ILLEGAL(16) },
        { "LS0tLS1CRUdJTiBYW===", NULL, ILLEGAL(17) },
        { "LS0tLS1CRUdJTiBY WA==", NULL, ILLEGAL(16) },
        { "LS0tLS1CRUdJTiBY-_==", NULL, ILLEGAL(16) },
        { "=", NULL, ILLEGAL(0) },
        { "\\n", NULL, NOT_PEM },
        { "aGVsbG8=", NULL, NOT_PEM },
        { "LS0tLS1CRUdJTiBYAA==", NULL, NOT_PEM }, /* a NUL at the end */
};

START_TEST(data_is_base64_of_pem)
{
        struct kubeconfig_files files = { 0 };
        struct kubeconfig values = { 0 };
        char text[1024], error[256];
        struct err err;
        int r;

        (void)snprintf(text, sizeof(text),
                       CLUSTER("    certificate-authority-data: \"%s\"\n") CONTEXT,
                       base64[_i].data);
        r = kubeconfig_parse(text, strlen(text), &values, &files, &err);
        if (base64[_i].text) {
                unit_assert_ok(r, &err);
                ck_assert_str_eq(values.ca, base64[_i].text);
        } else {
                (void)snprintf(error, sizeof(error),
                               "clusters[0].cluster.certificate-authority-data: %s",
                               base64[_i].error);
                unit_assert_err(r, &err, CNI_ERR_INTERNAL, error);
        }
        kubeconfig_done(&values);
        kubeconfig_files_done(&files);
}
END_TEST

/* ---- files ---- */

static struct trust trust;
static char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];

/* A fresh directory that is trusted, with a kubeconfig. */
static void make(const char *text)
{
        char line[UNIT_PATH_MAX + 16];
        struct err err;

        unit_dir(dir);
        (void)snprintf(line, sizeof(line), "root = %s\n", dir);
        unit_assert_ok(trust_parse(line, &trust, &err), &err);
        unit_write(dir, "kubeconfig", text);
        unit_path(dir, "kubeconfig", path);
}

static void assert_read(struct kubeconfig *ret)
{
        struct err err;

        *ret = (struct kubeconfig){ 0 };
        unit_assert_ok(kubeconfig_read(path, &trust, ret, &err), &err);
}

/* The message, "@" standing for the directory. */
static void assert_refused(int code, const char *wanted)
{
        struct kubeconfig values = { 0 };
        struct buf msg;
        struct err err;

        buf_init(&msg, sizeof(err.msg));
        for (; *wanted; wanted++)
                if (*wanted == '@')
                        buf_puts(&msg, dir);
                else
                        buf_putc(&msg, *wanted);
        unit_assert_err(kubeconfig_read(path, &trust, &values, &err), &err, code, buf_text(&msg));
        ck_assert_ptr_null(values.server);
        buf_done(&msg);
}

START_TEST(files_are_found_beside_the_kubeconfig)
{
        char sub[UNIT_PATH_MAX];
        struct kubeconfig values;

        make(WHOLE("    certificate-authority: pki/../ca.crt\n",
                   "client-certificate: ./pki/c.crt\n    client-key: pki/c.key\n"
                   "    tokenFile: token"));
        ck_assert_int_eq(mkdir(unit_path(dir, "pki", sub), 0755), 0);
        unit_write(dir, "ca.crt", "# ca\n" PEM);
        unit_write(sub, "c.crt", PEM "crt");
        unit_write(sub, "c.key", PEM "key");
        unit_write(dir, "token", " \tthe token\r\n\n");
        assert_read(&values);
        assert_values(&values,
                      &(struct kubeconfig){ COMMON, .ca = TEXT("# ca\n" PEM),
                                            .certificate = TEXT(PEM "crt"), .key = TEXT(PEM "key"),
                                            .token = TEXT("the token") });
        kubeconfig_done(&values);
        trust_done(&trust);
}
END_TEST

START_TEST(files_are_found_by_their_whole_path)
{
        char text[4096];
        struct kubeconfig values;

        make("");
        (void)snprintf(text, sizeof(text),
                       WHOLE("    certificate-authority: %s/a b.crt\n", "token: t"), dir);
        unit_write(dir, "kubeconfig", text);
        unit_write(dir, "a b.crt", PEM);
        assert_read(&values);
        ck_assert_str_eq(values.ca, PEM);
        kubeconfig_done(&values);
        trust_done(&trust);
}
END_TEST

/* Which of the two tokens counts. */
START_TEST(the_token_file_wins_when_it_can_be_read)
{
        struct kubeconfig values;

        make(WHOLE("", "token: inline\n    tokenFile: token"));
        assert_read(&values);
        ck_assert_str_eq(values.token, "inline");
        kubeconfig_done(&values);
        unit_write(dir, "token", "\n");
        assert_read(&values);
        ck_assert_str_eq(values.token, "inline");
        kubeconfig_done(&values);
        unit_write(dir, "token", "file\n");
        assert_read(&values);
        ck_assert_str_eq(values.token, "file");
        kubeconfig_done(&values);
        trust_done(&trust);
}
END_TEST

struct file_row {
        const char *cluster, *user;
        const char *file, *content; /* to write; NULL: none */
        size_t len;                 /* 0: a C string */
        int code;
        const char *error;
};

#define DUE "kubeconfig @/kubeconfig: invalid configuration: unable to read "

static const struct file_row file_rows[] = {
        { "    certificate-authority: ca\n", "token: t", NULL, NULL, 0, CNI_ERR_IO,
          DUE "certificate-authority @/ca for k due to open @/ca: no such file or directory" },
        { "    certificate-authority: ca\n", "token: t", "ca", "", 0, CNI_ERR_INTERNAL,
          DUE "certificate-authority @/ca for k due to read @/ca: is not PEM text" },
        { "    certificate-authority: ca\n", "token: t", "ca", PEM "\0", sizeof(PEM),
          CNI_ERR_INTERNAL,
          DUE "certificate-authority @/ca for k due to read @/ca: is not PEM text" },
        { "    certificate-authority: .\n", "token: t", NULL, NULL, 0, CNI_ERR_IO,
          DUE "certificate-authority @/. for k due to open @/.: is a directory" },
        { "    certificate-authority: ..\n", "token: t", NULL, NULL, 0, CNI_ERR_CONFIG,
          DUE "certificate-authority @/.. for k due to @/.. is not below a directory that "
              "configuration may name" },
        { "    certificate-authority: /dev/null\n", "token: t", NULL, NULL, 0, CNI_ERR_CONFIG,
          DUE "certificate-authority /dev/null for k due to /dev/null is not below a directory "
              "that configuration may name" },
        { "    certificate-authority: ../../../../../../proc/version\n", "token: t", NULL, NULL, 0,
          CNI_ERR_CONFIG,
          DUE "certificate-authority /proc/version for k due to /proc/version is not below a "
              "directory that configuration may name" },
        { "", "client-certificate: c\n    client-key: k", NULL, NULL, 0, CNI_ERR_IO,
          DUE "client-cert @/c for u due to open @/c: no such file or directory" },
        { "", "client-certificate-data: " PEM_DATA "\n    client-key: k", NULL, NULL, 0, CNI_ERR_IO,
          DUE "client-key @/k for u due to open @/k: no such file or directory" },
        { "", "tokenFile: token", NULL, NULL, 0, CNI_ERR_IO,
          "kubeconfig @/kubeconfig: open @/token: no such file or directory" },
        { "", "tokenFile: token", "token", " \n", 0, CNI_ERR_INTERNAL,
          "kubeconfig @/kubeconfig: read empty token from file \"@/token\"" },
        { "", "tokenFile: token", "token", "a\0b", 3, CNI_ERR_INTERNAL,
          "kubeconfig @/kubeconfig: read @/token: is not text" },
        /* a file that must not be opened is no matter of falling back */
        { "", "token: t\n    tokenFile: /etc/../proc/version", NULL, NULL, 0, CNI_ERR_CONFIG,
          "kubeconfig @/kubeconfig: /etc/../proc/version is not below a directory that "
          "configuration may name" },
};

START_TEST(a_file_that_cannot_be_used_is_named)
{
        const struct file_row *row = &file_rows[_i];
        char text[1024];

        (void)snprintf(text, sizeof(text), CLUSTER("%s") USER("%s") CONTEXT, row->cluster,
                       row->user);
        make(text);
        if (row->file)
                unit_write_bytes(dir, row->file, row->content,
                                 row->len > 0 ? row->len : strlen(row->content));
        assert_refused(row->code, row->error);
        trust_done(&trust);
}
END_TEST

START_TEST(a_file_that_others_may_write_is_not_trusted)
{
        char token[UNIT_PATH_MAX];

        make(WHOLE("", "token: t\n    tokenFile: token"));
        unit_write(dir, "token", "x");
        ck_assert_int_eq(chmod(unit_path(dir, "token", token), 0666), 0);
        assert_refused(CNI_ERR_CONFIG,
                       "kubeconfig @/kubeconfig: @/token is not trusted: 'token' is "
                       "writable by everyone");
        ck_assert_int_eq(chmod(path, 0666), 0);
        assert_refused(CNI_ERR_CONFIG,
                       "@/kubeconfig is not trusted: 'kubeconfig' is writable by everyone");
        trust_done(&trust);
}
END_TEST

START_TEST(a_kubeconfig_that_is_missing_or_huge_is_named)
{
        static char huge[1024 * 1024 + 1];

        make("");
        ck_assert_int_eq(unlink(path), 0);
        assert_refused(CNI_ERR_IO, "open @/kubeconfig: no such file or directory");
        memset(huge, '#', sizeof(huge));
        unit_write_bytes(dir, "kubeconfig", huge, sizeof(huge));
        assert_refused(CNI_ERR_INTERNAL, "read @/kubeconfig: file too large");
        trust_done(&trust);
}
END_TEST

START_TEST(an_error_names_the_kubeconfig)
{
        make(WHOLE("", "exec: {command: x}"));
        assert_refused(CNI_ERR_INTERNAL,
                       "kubeconfig @/kubeconfig: users[0].user.exec: running programs for "
                       "credentials is not supported; use a token or tokenFile");
        unit_write(dir, "kubeconfig", "");
        assert_refused(CNI_ERR_INTERNAL, "kubeconfig @/kubeconfig: k8s config: namespace not "
                                         "present in context");
        trust_done(&trust);
}
END_TEST

/* ---- a file that is being rewritten ---- */

struct rewriter {
        int watch;
        const char *text;
        bool wrote;
};

/* Waits until somebody has read the file and completes it then. */
static void *complete_when_read(void *context)
{
        struct rewriter *rewriter = context;
        struct pollfd wait = { .fd = rewriter->watch, .events = POLLIN };

        if (poll(&wait, 1, 10000) == 1) {
                unit_write(dir, "kubeconfig", rewriter->text);
                rewriter->wrote = true;
        }
        return NULL;
}

START_TEST(a_file_that_is_rewritten_is_read_again)
{
        static const char whole[] = WHOLE("", "token: t");
        static const size_t cuts[] = { 0, 20, 100, 190, sizeof(whole) - 5 };
        struct rewriter rewriter = { .watch = inotify_init1(IN_CLOEXEC), .text = whole };
        struct kubeconfig values;
        pthread_t thread;

        make("");
        unit_write_bytes(dir, "kubeconfig", whole, cuts[_i]);
        ck_assert_int_ge(inotify_add_watch(rewriter.watch, path, IN_CLOSE_NOWRITE), 0);
        ck_assert_int_eq(pthread_create(&thread, NULL, complete_when_read, &rewriter), 0);
        assert_read(&values);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        ck_assert(rewriter.wrote);
        ck_assert_str_eq(values.token, "t");
        close(rewriter.watch);
        kubeconfig_done(&values);
        trust_done(&trust);
}
END_TEST

/* What will not get better is said at once. */
START_TEST(what_is_not_supported_is_read_once)
{
        _cleanup_(closep) int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        struct kubeconfig values = { 0 };
        struct inotify_event event;
        struct err err;

        make(WHOLE("", "exec: {command: x}"));
        ck_assert_int_ge(inotify_add_watch(watch, path, IN_OPEN), 0);
        ck_assert_int_eq(kubeconfig_read(path, &trust, &values, &err), -ENOTSUP);
        ck_assert_int_eq(read(watch, &event, sizeof(event)), sizeof(event));
        ck_assert_int_lt(read(watch, &event, sizeof(event)), 0);
        trust_done(&trust);
}
END_TEST

/* ---- identity ---- */

static void read_identity(const char *from, char ret[static DIGEST_TEXT_MAX])
{
        struct kubeconfig values = { 0 };
        struct err err;

        unit_assert_ok(kubeconfig_read(from, &trust, &values, &err), &err);
        memcpy(ret, values.identity, DIGEST_TEXT_MAX);
        ck_assert_uint_eq(strlen(ret), DIGEST_TEXT_MAX - 1);
        kubeconfig_done(&values);
}

START_TEST(the_identity_survives_what_does_not_change_the_cluster)
{
        char first[DIGEST_TEXT_MAX], again[DIGEST_TEXT_MAX], link[UNIT_PATH_MAX];
        char other[UNIT_PATH_MAX], linked[UNIT_PATH_MAX * 2];

        make(WHOLE("", "token: t"));
        read_identity(path, first);
        /* another token, another inode */
        unit_write(dir, "new", WHOLE("", "token: another"));
        ck_assert_int_eq(rename(unit_path(dir, "new", other), path), 0);
        read_identity(path, again);
        ck_assert_str_eq(again, first);
        /* another way to the same directory */
        ck_assert_int_eq(symlink(dir, unit_path(dir, "link", link)), 0);
        (void)snprintf(linked, sizeof(linked), "%s/kubeconfig", link);
        read_identity(linked, again);
        ck_assert_str_eq(again, first);
        (void)snprintf(linked, sizeof(linked), "%s//kubeconfig", dir);
        read_identity(linked, again);
        ck_assert_str_eq(again, first);
        trust_done(&trust);
}
END_TEST

START_TEST(the_identity_tells_clusters_apart)
{
        static const char *const texts[] = {
                WHOLE("", "token: t"),
                "clusters: [{name: k, cluster: {server: 'https://h'}}]\n" CONTEXT,
                CLUSTER("") "contexts: [{name: c, context: {cluster: k, namespace: n2}}]\n"
                            "current-context: c\n",
                CLUSTER("") "contexts: [{name: d, context: {cluster: k, namespace: ns}}]\n"
                            "current-context: d\n",
        };
        char identities[ARRAY_SIZE(texts) + 2][DIGEST_TEXT_MAX], other[UNIT_PATH_MAX];
        size_t count = 0;

        make("");
        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                unit_write(dir, "kubeconfig", texts[i]);
                read_identity(path, identities[count++]);
        }
        unit_write(dir, "other", texts[0]);
        read_identity(unit_path(dir, "other", other), identities[count++]);
        trust_done(&trust);
        make(texts[0]); /* in another directory */
        read_identity(path, identities[count++]);
        for (size_t i = 0; i < count; i++)
                for (size_t j = 0; j < i; j++)
                        ck_assert_str_ne(identities[i], identities[j]);
        trust_done(&trust);
}
END_TEST

START_TEST(everything_reaches_the_client)
{
        static const char text[] = WHOLE("    certificate-authority-data: " PEM_DATA
                                         "\n    tls-server-name: n\n    proxy-url: http://p\n"
                                         "    disable-compression: true\n",
                                         "token: t\n    client-certificate-data: " PEM_DATA
                                         "\n    client-key-data: " PEM_DATA);
        struct kubeconfig_files files = { 0 };
        struct kubeconfig values = { 0 };
        struct http_server server;
        struct err err;

        unit_assert_ok(kubeconfig_parse(text, strlen(text), &values, &files, &err), &err);
        server = kubeconfig_server(&values);
        ck_assert_str_eq(server.url, "https://192.0.2.1:6443");
        ck_assert_str_eq(server.ca, PEM);
        ck_assert_str_eq(server.certificate, PEM);
        ck_assert_str_eq(server.key, PEM);
        ck_assert_str_eq(server.token, "t");
        ck_assert_str_eq(server.server_name, "n");
        ck_assert_str_eq(server.proxy, "http://p");
        ck_assert(server.no_compression && !server.insecure);
        kubeconfig_done(&values);
        kubeconfig_files_done(&files);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, a_text_becomes_values, good);
        unit_add_table(tests, a_text_is_refused, bad);
        unit_add_table(tests, data_is_base64_of_pem, base64);
        tcase_add_test(tests, files_are_found_beside_the_kubeconfig);
        tcase_add_test(tests, files_are_found_by_their_whole_path);
        tcase_add_test(tests, the_token_file_wins_when_it_can_be_read);
        unit_add_table(tests, a_file_that_cannot_be_used_is_named, file_rows);
        tcase_add_test(tests, a_file_that_others_may_write_is_not_trusted);
        tcase_add_test(tests, a_kubeconfig_that_is_missing_or_huge_is_named);
        tcase_add_test(tests, an_error_names_the_kubeconfig);
        tcase_add_loop_test(tests, a_file_that_is_rewritten_is_read_again, 0, 5);
        tcase_add_test(tests, what_is_not_supported_is_read_once);
        tcase_add_test(tests, the_identity_survives_what_does_not_change_the_cluster);
        tcase_add_test(tests, the_identity_tells_clusters_apart);
        tcase_add_test(tests, everything_reaches_the_client);
}

UNIT_MAIN("kubeconfig", add_tests)
